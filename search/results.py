"""What a search answers: `SearchResult`, a list of `Match`, free of torch, FAISS and NumPy."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.manifest import CatalogItem
from index.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One product that looks like the query.

    Attributes:
        item: its photo that looks most like the query, with the catalog's columns.
        similarity: inner product with that photo's vector, or with the mean of the product's photos where that was
            asked for, in [-1, 1]; higher is more alike.
        rank: 1 for the best.
        verdict: what the similarity means on this catalog (index/verdicts.py); None where that is not known.
    """

    item: CatalogItem
    similarity: float
    rank: int
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        if self.rank < 1 or not -1.0 <= self.similarity <= 1.0:
            raise ValueError(f"rank {self.rank} must be ≥ 1 and similarity {self.similarity} in [-1, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The answer to one query, from one version from start to end.

    Attributes:
        query: what was asked: a file's name, or a product's id.
        matches: at most k products, each once: those that hold the very bytes of a photo that was asked with, in the
            order of their item_ids, then the others, most alike first.
        version: id of the version that answered.
        seconds: from the decoded request to the answer.
        asked_with: the photo of the catalog that stood for the product that was asked with; None without one.
    """

    query: str
    matches: tuple[Match, ...]
    version: str
    seconds: float
    asked_with: CatalogItem | None = None
