"""Build the index that a version holds: of the kind that fits, tuned until it keeps the promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from index.approximate import TunableIndex
from index.colour_weights import COLOUR_GRID
from index.config import IndexChoice
from index.held_back import held_back_queries, query_sets
from index.kinds import BUILD, choose_kind
from index.promise import exact_tasks, keep_promise
from index.search_index import SearchIndex
from index.settings import Settings
from index.vectors import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedIndex:
    """An index, and how much it finds."""

    index: SearchIndex
    recalls: Mapping[str, float] = field(default_factory=dict)
    """Recall@10 for each set of held-back queries; empty for an exact index."""

    @property
    def recall(self) -> float:
        """That of the worst set; 1 for an exact index."""
        return min(self.recalls.values(), default=1.0)

    @property
    def settings(self) -> Settings | None:
        """How far a search looks; None for an exact index."""
        return self.index.settings if isinstance(self.index, TunableIndex) else None


def build_promised_index(vectors: Floats, blocks: Mapping[str, int], choice: IndexChoice) -> PromisedIndex:
    """An index over vectors, which finds what was promised.

    Args:
        vectors: float32 (N, D), every block of unit norm.
        blocks: their widths by name, one or two of them.

    Raises:
        PromiseError: no setting of the kind finds enough.
    """
    built = BUILD[choose_kind(choice.kind, *vectors.shape)](vectors, list(blocks.values()))
    return promised(built, vectors, blocks, choice)


def promised(
    index: SearchIndex | TunableIndex, vectors: Floats, blocks: Mapping[str, int], choice: IndexChoice
) -> PromisedIndex:
    """An index over vectors that finds what was promised, once it is tuned; arguments and errors as above."""
    if not isinstance(index, TunableIndex) or index.settings is None:
        return PromisedIndex(index=index)
    widths = list(blocks.values())
    queries = held_back_queries(vectors, widths)
    tasks = exact_tasks(vectors, queries, query_sets(queries, blocks, COLOUR_GRID))
    return PromisedIndex(index=index, recalls=keep_promise(index, tasks, choice.recall, first=widths[0]))
