"""Groups: everyone is the same picture as the first, a chain makes no group, nobody is in two."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from search.duplicate_groups import group_pairs

PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] < pair[1]), max_size=40)


@settings(deadline=None)
@given(known=PAIRS, hidden=PAIRS, ranks=st.permutations(range(13)))
def test_everyone_is_the_same_picture_as_the_first_of_the_group(
    known: set[tuple[int, int]], hidden: set[tuple[int, int]], ranks: list[int]
) -> None:
    truth = known | hidden
    groups = group_pairs(
        {pair: pair for pair in known},
        lambda node: (ranks[node],),
        lambda pair: pair if pair in truth else None,
    )
    seen: set[int] = set()
    for group in groups:
        assert group.others
        assert seen.isdisjoint({group.first, *group.others})
        seen |= {group.first, *group.others}
        for other, found in group.others.items():
            assert found == (min(group.first, other), max(group.first, other))
            assert found in truth
            assert ranks[group.first] < ranks[other]
    for one, other in known:  # no pair is lost: one of the two, at least, is in a group
        assert one in seen or other in seen
    assert [group.first for group in groups] == sorted(group.first for group in groups)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(2, 6), max_size=4))
def test_pictures_of_one_kind_are_one_group_even_when_few_pairs_are_known(sizes: list[int]) -> None:
    kinds = [kind for kind, size in enumerate(sizes) for _ in range(size)]
    chains = {(node, node + 1): "same" for node in range(len(kinds) - 1) if kinds[node] == kinds[node + 1]}
    groups = group_pairs(
        chains, lambda node: (-node,), lambda pair: "same" if kinds[pair[0]] == kinds[pair[1]] else None
    )
    assert sorted(1 + len(group.others) for group in groups) == sorted(sizes)


def test_a_chain_is_parted() -> None:
    groups = group_pairs({(0, 1): "", (1, 2): "", (2, 3): ""}, lambda node: (node,), lambda pair: None)
    assert [(group.first, list(group.others)) for group in groups] == [(0, [1]), (2, [3])]
