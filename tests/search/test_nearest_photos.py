"""Each photo's nearest others equal a NumPy brute force, with ties, groups of any size and too few of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.faiss_index import FlatIndex
from index.vectors import unit_norm
from search.nearest_photos import nearest_others


@settings(deadline=None, max_examples=60)
@given(
    photos=st.integers(1, 60),
    groups=st.integers(1, 20),
    k=st.integers(1, 8),
    coarse=st.booleans(),
    masked=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equal_to_brute_force(photos: int, groups: int, k: int, coarse: bool, masked: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    raw = random.integers(1, 3, (photos, 4)) if coarse else random.standard_normal((photos, 4))
    vectors = unit_norm(raw.astype(np.float32))
    group = random.integers(0, groups, photos)
    among = random.random(photos) < 0.6 if masked else None
    if among is not None:
        among[random.integers(photos)] = True
    index = FlatIndex.build(vectors, "cpu")
    asked = random.permutation(photos).astype(np.int64)
    answers = list(nearest_others(index, lambda one: one, group, asked, k, among=among, description="test"))
    assert [others.position for others in answers] == asked.tolist()
    similarities = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    for others in answers:
        best: dict[int, float] = {}
        for other in range(photos):
            if group[other] != group[others.position] and (among is None or among[other]):
                value = float(similarities[others.position, other])
                best[int(group[other])] = max(best.get(int(group[other]), -2.0), value)
        right = sorted(best.values(), reverse=True)[:k]
        np.testing.assert_allclose(others.similarities, right, atol=1e-5)
        found = group[others.positions]
        assert len(set(found.tolist())) == len(found)
        np.testing.assert_allclose([best[int(each)] for each in found], right, atol=1e-5)
        if among is not None:
            assert among[others.positions].all()
