"""From pairs of photos that are the same picture to groups, each around one photo that stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Found = TypeVar("Found")
Pair = tuple[int, int]
"""Two nodes, the lower first."""


class Group(NamedTuple, Generic[Found]):
    """Nodes that show one picture.

    Attributes:
        first: stands for the group.
        others: what the comparison of each other node with the first one found, in ascending order of the nodes.
    """

    first: int
    others: Mapping[int, Found]


def group_pairs(
    pairs: Mapping[Pair, Found], rank: Callable[[int], tuple[int, ...]], compare: Callable[[Pair], Found | None]
) -> list[Group[Found]]:
    """Groups in which every node is the same picture as the group's first one, in order of the first ones.

    A chain (one is like two, two is like three, one is unlike three) makes no group: of each connected component, the
    node of the lowest rank gathers those that are the same picture as it, by comparisons made before or now; what
    remains is grouped in the same way.

    Args:
        pairs: nodes that are the same picture, and what their comparison found.
        rank: of a node; the lowest of a group stands for it.
        compare: what a comparison of two nodes finds; None where they are not the same picture.
    """
    groups: list[Group[Found]] = []
    waiting = list(_components(list(pairs)))
    while waiting:
        component = waiting.pop()
        nodes = sorted({node for pair in component for node in pair})
        first = min(nodes, key=rank)
        others = {}
        for node in nodes:
            pair = (min(first, node), max(first, node))
            found = None if node == first else pairs[pair] if pair in pairs else compare(pair)
            if found is not None:
                others[node] = found
        groups.append(Group(first, others))
        gathered = {first, *others}
        waiting += _components([pair for pair in component if gathered.isdisjoint(pair)])
    return sorted(groups, key=lambda group: group.first)


def _components(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """The pairs of each connected component."""
    if not pairs:
        return
    nodes, ends = np.unique(np.array(pairs, np.int64), return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False)
    components: dict[int, list[Pair]] = {}
    for pair, label in zip(pairs, labels[ends[:, 0]].tolist(), strict=True):
        components.setdefault(label, []).append(pair)
    yield from components.values()
