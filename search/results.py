"""What a search answers: `SearchResult`, a list of `Match`, free of torch, FAISS and NumPy."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.manifest import CatalogItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One product that looks like the query, by its best photo.

    Attributes:
        item: that photo, with the catalog's columns.
        similarity: inner product of unit vectors, in [-1, 1]; higher is more alike.
        rank: 1 for the best.
    """

    item: CatalogItem
    similarity: float
    rank: int

    def __post_init__(self) -> None:
        if self.rank < 1 or not -1.0 <= self.similarity <= 1.0:
            raise ValueError(f"rank {self.rank} must be ≥ 1 and similarity {self.similarity} in [-1, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The answer to one query, from one version from start to end.

    Attributes:
        query: what was asked: a file's name, or a product's id.
        matches: at most k products, most alike first, each product once.
        version: id of the version that answered.
        seconds: from the decoded request to the answer.
    """

    query: str
    matches: tuple[Match, ...]
    version: str
    seconds: float
