"""The promise: after a build, how many true neighbours an index finds is measured, and it looks as far as it must.

Recall@10 against exact search, on held-back queries, for every set of queries by itself. Answers as similar as the
last true one count as found. A setting keeps the promise where, with 95 % confidence, the recall of all queries like
these does: not only that of the thousand by which it is tuned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import faiss
import numpy as np

from catalog.errors import PromiseError
from index.approximate import Ladder, TunableIndex
from index.held_back import HeldBack
from index.search_index import SearchIndex
from index.settings import Parameters, Settings, everywhere, second_weights
from index.vectors import Floats, Ids

K = 10
TIE = 1e-6
"""Similarities as close as this are the same: two ways of adding up one inner product differ by less."""
SURE = 1.645
"""Standard errors below a mean above which the true one lies in 95 of 100 cases (normal distribution, one-sided)."""
TOGETHER = 250
"""Queries that are asked in one batch."""
SCREENED, FAR = 100, 4.0
"""Queries that are asked first, and standard errors above their mean that the promise may lie for all to be asked."""


@dataclass(frozen=True, slots=True)
class Task:
    """One set of queries with what there is to find.

    Attributes:
        queries: float32 (Q, D).
        began_at: int64 (Q,), the position that does not count as a query's answer.
        least: float32 (Q,), similarity of the last of the true neighbours.
        neighbours: how many true neighbours each query has: K, or fewer in a small catalog.
    """

    queries: Floats
    began_at: Ids
    least: Floats
    neighbours: int

    def head(self, count: int) -> Task:
        """The first so many queries."""
        return Task(self.queries[:count], self.began_at[:count], self.least[:count], self.neighbours)


def exact_tasks(vectors: Floats, queries: HeldBack, query_sets: Mapping[str, Floats]) -> dict[str, Task]:
    """What exact search finds, for each set.

    Args:
        vectors: float32 (N, D), N at least 2.
        query_sets: by name, each float32 (Q, D): the queries, their blocks weighted in different ways.
    """
    neighbours = min(K, len(vectors) - 1)
    tasks = {}
    for name, asked in query_sets.items():
        similarities, positions = faiss.knn(asked, vectors, neighbours + 1, metric=faiss.METRIC_INNER_PRODUCT)
        own = positions == queries.began_at[:, None]
        own[~own.any(axis=1), -1] = True  # it is not among them: the last one is one too many
        least = similarities[~own].reshape(len(asked), neighbours)[:, -1]
        tasks[name] = Task(asked, queries.began_at, least, neighbours)
    return tasks


def recall(index: SearchIndex, task: Task) -> float:
    """Part of the true neighbours that an index finds, in [0, 1]; ties count as found."""
    return float(_recalls(index, task).mean())


def sure_recall(index: SearchIndex, task: Task) -> float:
    """What the recall of further queries like a task's is at least, with 95 % confidence."""
    recalls = _recalls(index, task)
    return float(recalls.mean() - SURE * recalls.std() / np.sqrt(len(recalls)))


def _recalls(index: SearchIndex, task: Task) -> Floats:
    """That of each query, (Q,); some hundreds at a time, since a search that looks far holds much for each."""
    recalls = []
    for start in range(0, len(task.queries), TOGETHER):
        part = slice(start, start + TOGETHER)
        found = index.search(task.queries[part], task.neighbours + 1)
        other = found.positions != task.began_at[part, None]
        hits = (found.similarities >= task.least[part, None] - TIE) & other
        recalls.append(np.minimum(hits.sum(axis=1), task.neighbours) / np.float32(task.neighbours))
    return np.concatenate(recalls)


def keep_promise(index: TunableIndex, tasks: Mapping[str, Task], promised: float, first: int) -> dict[str, float]:
    """Set how far an index looks to the cheapest that keeps the promise, for every set by itself; returns its recalls.

    Args:
        tasks: each of queries of one weight of the second block, weights ascending.
        first: width of the first block.

    Raises:
        PromiseError: nothing keeps it for one of them.
    """
    tuned = {}
    for name, task in tasks.items():
        weight = float(second_weights(task.queries[:1], first)[0])
        tuned[weight] = _cheapest_that_keeps(index, name, task, promised)
    index.settings = Settings(by_weight=tuned, first=first)
    return {name: recall(index, task) for name, task in tasks.items()}


def _cheapest_that_keeps(index: TunableIndex, name: str, task: Task, promised: float) -> Parameters:
    best: tuple[float, Parameters] | None = None
    for ladder in index.ladders():
        value = _smallest_that_keeps(index, ladder, task, promised, None if best is None else best[0])
        if value is not None and (best is None or ladder.cost(value) < best[0]):
            best = ladder.cost(value), ladder.parameters(value)
    if best is None:
        surely = sure_recall(index, task)
        raise PromiseError(
            f"an index must find {promised:g} of the true nearest {K}; the {index.kind} index is sure to find "
            f'{surely:.4g} at most of those of the queries "{name}", looking as far as it can: '
            'ask for less by --recall, or choose "--kind exact"'
        )
    return best[1]


def _smallest_that_keeps(
    index: TunableIndex, ladder: Ladder, task: Task, promised: float, cheapest: float | None
) -> int | None:
    """The smallest value that keeps the promise: doubled until it does, then halved in between.

    None where no value does, or where it is clear that the one that does costs `cheapest` or more.
    """

    def keeps(value: int, *, perhaps: bool = False) -> bool:
        """Whether a value keeps the promise; a few queries often show that it does not, and all are asked if not."""
        index.settings = everywhere(ladder.parameters(value))
        few = _recalls(index, task.head(SCREENED))
        if few.mean() + FAR * few.std() / np.sqrt(len(few)) < promised:
            return False
        return perhaps or sure_recall(index, task) >= promised

    if cheapest is not None and ladder.cost(1) >= cheapest:
        return None
    if not keeps(ladder.most, perhaps=True):
        return None
    low, high = 0, 1
    while not keeps(high):
        if high == ladder.most or (cheapest is not None and ladder.cost(high) >= cheapest):
            return None
        low, high = high, min(2 * high, ladder.most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high
