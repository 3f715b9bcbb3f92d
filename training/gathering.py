"""Gathered negatives: under torchrun, the views of every rank repel those of all ranks.

A loss such as NT-Xent is not a mean over photos, so that averaging the ranks' gradients is not enough: each rank must
see the projections of all ranks, and their gradients must find the way back.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, distributed
from torch.autograd.function import FunctionCtx, once_differentiable

from catalog.errors import TrainingError
from training.ranks import all_ranks


class GatherRows(torch.autograd.Function):
    """The rows of all R ranks on every rank, (B, D) to (R·B, D), ordered by rank; differentiable.

    The gradient of a rank's rows is the sum over all ranks of what their losses say about these rows.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor) -> Tensor:
        """Send this rank's rows, receive all."""
        ctx.count = len(rows)  # type: ignore[attr-defined]
        gathered = rows.new_empty(distributed.get_world_size() * len(rows), *rows.shape[1:])
        with all_ranks():
            distributed.all_gather_into_tensor(gathered, rows.contiguous())
        return gathered

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gathered_gradient: Tensor) -> Tensor:
        """Add up the gradients of all ranks, keep those of this rank's rows."""
        count: int = ctx.count  # type: ignore[attr-defined]
        summed = gathered_gradient.clone(memory_format=torch.contiguous_format)
        with all_ranks():
            distributed.all_reduce(summed)
        return summed[distributed.get_rank() * count :][:count]


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all R ranks: (B, D) to (R·B, D), ordered by rank, on every rank; itself without a process group.

    How to scale the loss: **not at all**. Every rank computes the same loss L over all gathered projections z and calls
    backward on it. The gradient that arrives at rank r's own rows is the sum over the R ranks, R · ∂L/∂z_r; through
    the network this becomes R · ∂L/∂z_r · ∂z_r/∂θ, and the mean over ranks (`average_gradients`, or DDP) is
    (1/R) Σ_r R · ∂L/∂z_r · ∂z_r/∂θ = dL/dθ, the gradient of one process with the whole batch. Terms of the loss that
    are means over a rank's own rows need no factor either: the mean of equally large means is the mean.

    The two views are gathered one after the other, so that each is (R·B, D) with the photos in the same order.

    Raises:
        TrainingError: the ranks have different numbers of rows; every rank raises it.
        LookalikeError: a rank has ended; so do the gradient of what this gives, and `average_gradients`.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    count_of_rank = rows.new_zeros(distributed.get_world_size(), dtype=torch.int64)
    count_of_rank[distributed.get_rank()] = len(rows)
    with all_ranks():
        distributed.all_reduce(count_of_rank)
    counts = count_of_rank.tolist()
    if min(counts) != max(counts):
        raise TrainingError(
            f"every rank must gather the same number of rows; received {counts}: split each batch into equal parts"
        )
    return GatherRows.apply(rows)  # type: ignore[no-any-return]


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over the ranks, in place; nothing without a process group.

    All are sent at once, after the last chunk of a batch (`training.grad_cache`); DDP would send those of every chunk.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    means = torch.cat([gradient.flatten() for gradient in gradients])
    with all_ranks():
        distributed.all_reduce(means)
    means /= distributed.get_world_size()
    parts = torch.split(means, [gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view_as(gradient))
