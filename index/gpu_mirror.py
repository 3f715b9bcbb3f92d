"""A copy of an index on a GPU, owned by one thread that searches for everyone who waits at once.

FAISS's GPU indexes are not safe to search from two threads, and a batch costs a GPU little more than one query. The
CPU's index stays the truth: it is what is written, and what is searched where the GPU cannot (selections, large k).
"""

from __future__ import annotations

import queue
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field

import faiss
import numpy as np

from catalog.errors import DeviceError
from index.vectors import Floats, Ids
from training.config import Device

MOST_NEIGHBORS, MOST_PROBED = 2048, 2048
"""FAISS's limits on k and on nprobe on a GPU."""
MOST_TOGETHER = 4096
"""Queries in one batch."""

Found = tuple[Floats, Ids]


@dataclass(frozen=True, slots=True)
class _Request:
    queries: Floats
    k: int
    nprobe: int
    answer: Future[Found] = field(default_factory=Future)


class GPUMirror:
    """An index that one thread owns, which ends when nobody holds this any more. Safe to use from several threads."""

    def __init__(self, index: faiss.Index) -> None:
        """`index`: the copy on the GPU (in tests, where there is none, any index of FAISS)."""
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(index, self._waiting), name="gpu-mirror", daemon=True).start()
        weakref.finalize(self, self._waiting.put, None)

    def search(self, queries: Floats, k: int, nprobe: int = 0) -> Found:
        """Similarities and positions (Q, k) as FAISS gives them.

        Args:
            nprobe: of an inverted file, how many lists are looked into; 0 for other kinds.

        Raises:
            RuntimeError: as FAISS raises it.
        """
        request = _Request(queries, k, nprobe)
        self._waiting.put(request)
        return request.answer.result()


def _serve(index: faiss.Index, waiting: queue.SimpleQueue[_Request | None]) -> None:
    """Answer until there is None: what waits and looks as far as the first, together."""
    held: list[_Request | None] = []
    while True:
        first = held.pop(0) if held else waiting.get()
        if first is None:
            return
        together, others, count = [first], list[_Request | None](), len(first.queries)
        for request in (*held, *_drained(waiting)):
            if request and request.nprobe == first.nprobe and count + len(request.queries) <= MOST_TOGETHER:
                together.append(request)
                count += len(request.queries)
            else:
                others.append(request)
        held = others
        _answer(index, together)


def _drained(waiting: queue.SimpleQueue[_Request | None]) -> list[_Request | None]:
    drained: list[_Request | None] = []
    while True:
        try:
            drained.append(waiting.get_nowait())
        except queue.Empty:
            return drained


def _answer(index: faiss.Index, requests: list[_Request]) -> None:
    """Search for several at once, as many neighbours as any of them wants."""
    k = max(request.k for request in requests)
    nprobe = requests[0].nprobe
    params = faiss.SearchParametersIVF(nprobe=nprobe) if nprobe else None
    try:
        similarities, positions = index.search(
            np.concatenate([request.queries for request in requests]), k, params=params
        )
    except Exception as error:  # noqa: BLE001  whoever asked raises it
        for request in requests:
            request.answer.set_exception(error)
        return
    start = 0
    for request in requests:
        end = start + len(request.queries)
        request.answer.set_result((similarities[start:end, : request.k], positions[start:end, : request.k]))
        start = end


def gpu_count() -> int:
    """GPUs that FAISS can use."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


def mirror_of(index: faiss.Index, device: Device) -> GPUMirror | None:
    """A copy of an exact or ivf index on the first GPU, where one is there and wanted.

    Raises:
        DeviceError: "gpu" was asked for and there is none.
    """
    if device == "gpu" and gpu_count() == 0:
        raise DeviceError("--device gpu needs a GPU that FAISS can use; none was found: use --device cpu or auto")
    if device == "cpu" or gpu_count() == 0:
        return None
    return GPUMirror(faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index))
