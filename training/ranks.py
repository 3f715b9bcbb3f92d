"""Ranks: the processes that share a run under torchrun, one per GPU; a process alone is rank 0 of 1.

Rank 0 alone holds the store's lock and speaks. In a training it alone writes, and the others take the same steps, each
on its part of every batch (training/gathering.py); in an embedding each has its slice of the photos (index/embed.py).
They end when rank 0 ends. All see the same store: on several machines, on a shared disk.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import distributed

from catalog.command_line import INTERRUPTED, TERMINATED
from catalog.errors import DeviceError, LookalikeError, Terminated

LONGEST_WAIT = timedelta(days=2)
"""For rank 0, which may have a large catalog to decode. That it has died is seen at once."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This process among those of a run."""

    index: int
    """This one's, from 0."""
    count: int
    device: torch.device
    """This one's own."""

    def __str__(self) -> str:
        return self.device.type if self.count == 1 else f"{self.count} processes ({self.device.type})"

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.index == 0

    def only_first(self, work: Callable[P, None]) -> Callable[P, None]:
        """The same work on rank 0, no work on the others."""
        return work if self.first else nothing

    def from_first(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Let rank 0 do some work; the others wait for what it returns, which is pickled for them.

        Raises:
            BaseException: on rank 0, what the work raised.
            SystemExit: on the others, if it raised anything; with rank 0's exit code, for rank 0 will say why.
        """
        if self.count == 1:
            return work(*args, **kwargs)
        sent: list[Any] = [None]
        if self.first:
            try:
                result = work(*args, **kwargs)
                sent = [_pickled(result)]
            except BaseException as error:
                with suppress(RuntimeError):  # a rank that has ended need not be told
                    distributed.broadcast_object_list([_exit_code(error)], device=torch.device("cpu"))
                raise
        with all_ranks():
            distributed.broadcast_object_list(sent, device=torch.device("cpu"))
        if self.first:
            return result
        if isinstance(sent[0], int):
            raise SystemExit(sent[0])
        received: T = pickle.loads(sent[0])  # noqa: S301  rank 0 is our own process
        return received

    def agreed(self, received: signal.Signals | None) -> signal.Signals | None:
        """The signal that any of the ranks has received, on all of them, so that all stop after the same step."""
        if self.count == 1:
            return received
        number = torch.tensor(received or 0)
        with all_ranks():
            distributed.all_reduce(number, distributed.ReduceOp.MAX)
        return signal.Signals(int(number)) if number else None

    def summed(self, number: int) -> int:
        """The sum of the ranks' numbers, on all of them, once all have come to this."""
        if self.count == 1:
            return number
        total = torch.tensor(number)
        with all_ranks():
            distributed.all_reduce(total)
        return int(total)


@contextmanager
def all_ranks() -> Iterator[None]:
    """Around what all ranks do together, and cannot do where one of them has ended.

    Raises:
        LookalikeError: one has; torch says so by a RuntimeError about a connection, of no kind of its own.
    """
    try:
        yield
    except RuntimeError as error:
        raise LookalikeError(
            f"a run needs all of its {distributed.get_world_size()} processes; one has ended before its time: what was "
            "saved is kept, and torchrun says which; start the same command again, a training with --resume; any "
            "number of processes will do"
        ) from error


@contextmanager
def torchrun_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun has started, for as long as the block takes; without torchrun, be alone.

    Only rank 0 comes out of the block: at its end the others end their process, so that what follows is done once.

    Args:
        device: what to compute on; of several GPUs each process takes the one of its LOCAL_RANK.

    Raises:
        DeviceError: there are fewer GPUs than processes.
        SystemExit: at the block's end, on all ranks but rank 0; with code 0.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(index=0, count=1, device=device)
        return
    if device.type == "cuda":
        here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
        if here > gpus:
            raise DeviceError(
                f"each process needs a GPU of its own; received {here} for {gpus}: lower --nproc-per-node"
            )
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # Imported later, by torch's own modules, it would keep the process group for good, as the default of its arguments;
    # and the group's threads, which at times abort a Python that is ending (pytorch's issue 190489).
    importlib.import_module("torch.distributed.nn.functional")
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    index = distributed.get_rank()
    try:
        yield Ranks(index=index, count=count, device=device)
    finally:
        distributed.destroy_process_group()
    if index > 0:
        raise SystemExit(0)


def nothing(*args: object, **kwargs: object) -> None:
    """What the other ranks do with what rank 0 writes or says."""


def _exit_code(error: BaseException) -> int:
    """What the command line will end with."""
    if isinstance(error, LookalikeError):
        return error.exit_code
    return {KeyboardInterrupt: INTERRUPTED, Terminated: TERMINATED}.get(type(error), 1)


class _Pickler(pickle.Pickler):
    """Of a memory-mapped array only the name of its file is sent: all ranks see the same store."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, np.memmap) and not isinstance(value.base, np.memmap):  # the whole file, no part of it
            return np.memmap, (value.filename, value.dtype, "r", value.offset, value.shape)
        return NotImplemented


def _pickled(value: object) -> bytes:
    content = io.BytesIO()
    _Pickler(content).dump(value)
    return content.getvalue()
