"""NT-Xent, the loss of SimCLR (arXiv 2002.05709, equation 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional


class Contrast(NamedTuple):
    """The loss and how often it was right.

    Attributes:
        loss: scalar, in nats.
        accuracy: scalar in [0, 1]: how often a view's other view is more similar to it than all 2B-2 other views.
    """

    loss: Tensor
    accuracy: Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Contrast:
    """Normalised temperature-scaled cross-entropy: two views of a photo attract, all other views in the batch repel.

    Memory: one (2B, 2B) matrix, given back before this returns (0.27 GB for a batch of 4096 in float32).

    Args:
        first, second: (B, D) projections of the two views, row by row of the same photo; any norm, float32 or wider.
        temperature: what similarities are divided by.

    Returns:
        The mean over all 2B views. With identical projections the loss is exactly log(2B - 1).
    """
    with torch.autocast(first.device.type, enabled=False):  # in bfloat16, different similarities would be equal
        z_ND = functional.normalize(torch.cat([first, second]), dim=1)
        return Contrast(*_UnitContrast.apply(z_ND, temperature))


class _UnitContrast(torch.autograd.Function):
    """NT-Xent of N = 2B unit vectors, the first view of every photo above the second.

    The gradient is known in closed form (softmax minus one-hot), so that it is computed along with the loss, in the
    matrix of similarities itself; autograd would keep that matrix, its softmax and their gradients at the same time.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, z_ND: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        count = len(z_ND) // 2
        s_NN = (z_ND @ z_ND.T).div_(temperature)
        partners = s_NN.diagonal(count), s_NN.diagonal(-count)
        attraction_N = torch.cat(partners)
        s_NN.diagonal().fill_(-torch.inf)
        for diagonal in partners:
            diagonal.fill_(-torch.inf)
        nearest_other_N = s_NN.amax(dim=1)
        accuracy = (attraction_N > nearest_other_N).float().mean()  # a tie is not a hit
        for diagonal, similarity in zip(partners, attraction_N.chunk(2), strict=True):
            diagonal.copy_(similarity)
        highest_N = torch.maximum(attraction_N, nearest_other_N)
        exponentials_NN = s_NN.sub_(highest_N[:, None]).exp_()
        sum_N = exponentials_NN.sum(dim=1)
        loss = (sum_N.log() + highest_N - attraction_N).mean()
        if ctx.needs_input_grad[0]:  # type: ignore[attr-defined]
            g_NN = exponentials_NN.div_(sum_N[:, None])
            for diagonal in partners:
                diagonal.sub_(1)
            gradient_ND = (g_NN @ z_ND).addmm_(g_NN.T, z_ND).div_(2 * count * temperature)
            ctx.save_for_backward(gradient_ND)
        ctx.mark_non_differentiable(accuracy)
        return loss, accuracy

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, loss_gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (gradient_ND,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient_ND * loss_gradient, None
