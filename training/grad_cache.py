"""GradCache (arXiv 2101.06983): the exact gradient of a contrastive batch that is larger than memory.

Accumulating the losses of small batches would leave most negatives out. Here the batch stays whole and only the network
sees it in chunks, each of them twice: once for its projections, without a graph; then, when the loss of the whole batch
has given the gradient of every projection, once more to carry that gradient to the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class HasLoss(Protocol):
    """A result with the scalar that is minimised, such as `training.nt_xent.Contrast`."""

    @property
    def loss(self) -> Tensor:
        """Scalar."""


L = TypeVar("L", bound=HasLoss)


def grad_cache_step(encode: Callable[[Tensor], Tensor], chunks: Sequence[Tensor], loss_of: Callable[[Tensor], L]) -> L:
    """Add the gradient of one whole batch to the `grad` of every parameter.

    The gradient equals that of `loss_of(encode(torch.cat(chunks)))` wherever `encode` treats each row by itself. What
    it draws from torch's generators (dropout, stochastic depth) is drawn in the first pass and replayed in the second.
    One chunk alone is encoded only once, like any ordinary step.

    Live batch norms do change something: they take mean and variance of each chunk instead of the whole batch, so that
    the gradient is the exact one of a network whose statistics are per chunk (as those of DDP without SyncBatchNorm are
    per rank), and their running statistics are updated twice with every chunk. Frozen norms, layer norms and group
    norms change nothing.

    Under DDP, pass the wrapped network in `encode` and gather in `loss_of` (`training.gathering`): each chunk's
    gradient is then averaged over the ranks, which adds up to the average of the whole.

    Args:
        encode: images (C, …) to projections (C, D). For mixed precision it enters autocast itself and returns float32;
            the loss is then computed outside.
        chunks: of the batch's images, on the network's device, for instance `images.split(64)`. Each is asked for once
            in each pass, so a sequence that makes its chunks anew when asked need not hold them all.
        loss_of: the projections of all rows in the chunks' order, (B, D), to a result with a `loss`. When it raises, no
            gradient has been changed.

    Returns:
        What `loss_of` returned.
    """
    if len(chunks) == 1:
        result = loss_of(encode(chunks[0]))
        result.loss.backward()  # type: ignore[no-untyped-call]
        return result
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_random_states(chunk.device))
            parts.append(encode(chunk))
    projections = torch.cat(parts).requires_grad_()
    result = loss_of(projections)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert projections.grad is not None
    gradients = torch.split(projections.grad, [len(part) for part in parts])
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        with _replaying(state, chunk.device):
            replayed = encode(chunk)
        replayed.backward(gradient)  # type: ignore[no-untyped-call]
    return result


def _random_states(device: torch.device) -> list[Tensor]:
    """The state of the CPU's generator and, for a GPU, of that device's."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


@contextmanager
def _replaying(states: list[Tensor], device: torch.device) -> Iterator[None]:
    """Draw again what was drawn after these states were taken; afterwards the generators are as before."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_rng_state(states[0])
        for state in states[1:]:
            torch.cuda.set_rng_state(state, device)
        yield
