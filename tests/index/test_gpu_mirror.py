"""The thread that owns a GPU's copy: everyone gets their own answer, in batches; and on a GPU, the CPU's answers.

But for the tests marked `gpu` a CPU index stands in for the copy, since this machine may have no GPU.
"""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from index.faiss_index import FlatIndex
from index.gpu_mirror import MOST_TOGETHER, GPUMirror, gpu_count
from index.ivf_index import IVFIndex
from index.search_index import SearchIndex
from index.settings import everywhere
from tests.index.test_kinds import clustered
from training.config import Device

needs_gpu = pytest.mark.skipif(gpu_count() == 0, reason="needs a GPU that FAISS can use")


class Slow:
    """An index that lets requests pile up behind its first search, and counts its searches."""

    def __init__(self, index: faiss.Index) -> None:
        self.index, self.asked, self.go, self.sizes = index, threading.Event(), threading.Event(), list[int]()

    def search(self, queries: np.ndarray, k: int, params: object = None) -> object:
        self.asked.set()
        self.go.wait(20)
        self.sizes.append(len(queries))
        return self.index.search(queries, k, params=params)


def wait_for(mirror: GPUMirror, count: int) -> None:
    """Until so many requests wait."""
    limit = time.monotonic() + 20
    while mirror._waiting.qsize() < count:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_everyone_who_waits_is_answered_in_one_batch_with_their_own() -> None:
    vectors, queries = clustered(1, 3000), clustered(2, 64)
    flat = FlatIndex.build(vectors, "cpu").master
    slow = Slow(flat)
    mirror = GPUMirror(slow)
    with ThreadPoolExecutor(64) as people:
        asked = [people.submit(mirror.search, queries[:1], 1)]
        assert slow.asked.wait(20)  # the first one is being searched for
        asked += [people.submit(mirror.search, queries[row : row + 1], 1 + row % 7) for row in range(1, 64)]
        wait_for(mirror, 63)
        slow.go.set()
        for row, answer in enumerate(asked):
            similarities, positions = answer.result(20)
            expected = flat.search(queries[row : row + 1], 1 + row % 7)
            assert np.allclose(similarities, expected[0], atol=1e-5) and np.array_equal(positions, expected[1])
    assert slow.sizes == [1, 63]


def test_requests_that_look_as_far_are_searched_for_together_and_no_batch_is_too_large() -> None:
    vectors, queries = clustered(1, 2000), clustered(2, 5)
    index = IVFIndex.build(vectors)
    slow = Slow(index._index)
    mirror = GPUMirror(slow)
    sizes_and_nprobe = [(1, 1), (5, 8), (5, 1), (MOST_TOGETHER, 1), (5, 1)]
    with ThreadPoolExecutor(8) as people:
        asked = []
        for place, (size, nprobe) in enumerate(sizes_and_nprobe):
            rows = queries[np.arange(size) % 5]
            asked.append((rows, nprobe, people.submit(mirror.search, rows, 3, nprobe)))
            assert slow.asked.wait(20)
            wait_for(mirror, place)
        slow.go.set()
        for rows, nprobe, answer in asked:
            params = faiss.SearchParametersIVF(nprobe=nprobe)
            assert np.array_equal(answer.result(60)[1], index._index.search(rows, 3, params=params)[1])
    assert slow.sizes == [1, 5, 10, MOST_TOGETHER]


def test_an_error_reaches_who_asked_and_the_next_is_answered() -> None:
    flat = FlatIndex.build(clustered(1, 100), "cpu").master
    mirror = GPUMirror(flat)
    with pytest.raises(AssertionError):
        mirror.search(np.zeros((1, 3), np.float32), 1)  # of another dimension
    assert mirror.search(clustered(2, 2), 4)[1].shape == (2, 4)


def test_the_thread_ends_with_the_mirror() -> None:
    mirror = GPUMirror(FlatIndex.build(clustered(1, 100), "cpu").master)
    (owner,) = [thread for thread in threading.enumerate() if thread.name == "gpu-mirror" and thread.is_alive()][-1:]
    del mirror
    gc.collect()
    owner.join(20)
    assert not owner.is_alive()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_the_gpu_answers_like_the_cpu(kind: str, tmp_path: Path) -> None:
    vectors, queries = clustered(1, 20_000), clustered(2, 300)
    built = FlatIndex.build(vectors, "cpu") if kind == "exact" else IVFIndex.build(vectors)
    with (tmp_path / "index").open("wb") as file:
        built.write(file.write)
    settings = everywhere({"nprobe": 12})

    def read(device: Device) -> SearchIndex:
        path = tmp_path / "index"
        return FlatIndex.read(path, device) if kind == "exact" else IVFIndex.read(path, settings, device)

    on_gpu, on_cpu = read("gpu"), read("cpu")
    assert (on_gpu.device, on_cpu.device) == ("gpu", "cpu")
    for allowed in (None, np.arange(20_000) % 3 == 0):
        for k in (1, 10, 2048, 3000):
            one, other = on_gpu.search(queries, k, allowed), on_cpu.search(queries, k, allowed)
            assert np.allclose(one.similarities, other.similarities, atol=1e-4)
