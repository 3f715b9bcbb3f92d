"""Statistics of live batch norms, counted anew when training is over.

In training they are running means, which lag behind weights that change, and in a short training never get away from
where they began: with a momentum of 0.01, half of what they say after 70 steps is still their beginning. In use the
network then computes what it never did in training. The mean over the photos themselves is right ("Rethinking Batch in
BatchNorm", arXiv 2105.07576, section 3).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def settle_norms(network: nn.Module, show: Callable[[], object]) -> None:
    """Count the statistics of a network's live norms anew, in place, and leave it in eval mode.

    Live are those in training mode; the others stay as they are.

    Args:
        show: puts photos through the network, in batches as they are in training; not called where no norm is live.
    """
    live = [(norm, norm.momentum) for norm in network.modules() if isinstance(norm, _BatchNorm) and norm.training]
    if live:
        for norm, _ in live:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        show()
        for norm, momentum in live:
            norm.momentum = momentum
    network.eval()
