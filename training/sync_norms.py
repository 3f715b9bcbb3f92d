"""Live batch norms under torchrun: on GPUs they take mean and variance over all ranks, on CPUs they are refused."""

from __future__ import annotations

import copy

from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from catalog.errors import UsageError
from training.config import TrainConfig
from training.encoder import Encoder
from training.ranks import Ranks
from training.start import norms_are_frozen


def sync_norms(encoder: Encoder, config: TrainConfig, ranks: Ranks) -> Encoder:
    """What to train with: under torchrun, an encoder of the same weights and running statistics, by reference, whose
    batch norms are SyncBatchNorms; the encoder itself where there is one process, or no norm is live.

    SyncBatchNorms differ from others only in training mode, where every forward pass needs all ranks: so the encoder
    itself stays as it is, for rank 0 to measure and to save alone.
    """
    if ranks.count == 1 or not has_live_norms(encoder, config):
        return encoder
    shared = {id(tensor): tensor for tensor in (*encoder.parameters(), *encoder.buffers())}
    synced: Encoder = convert_sync_batchnorm(copy.deepcopy(encoder, shared))
    return synced


def has_live_norms(encoder: Encoder, config: TrainConfig) -> bool:
    """Whether there are batch norms that learn from the batches: in the head always, elsewhere unless frozen."""
    part: nn.Module = encoder.head if norms_are_frozen(config) else encoder
    return any(isinstance(module, _BatchNorm) for module in part.modules())


def refuse_live_norms(encoder: Encoder, config: TrainConfig, ranks: Ranks) -> None:
    """Refuse to train what several processes cannot train together.

    Raises:
        UsageError: there are live norms, and processes without GPUs, where they would see a part of the batch each.
    """
    if ranks.count > 1 and ranks.device.type == "cpu" and has_live_norms(encoder, config):
        raise UsageError(
            f"processes without GPUs can only train frozen batch norms; received {ranks.count} such processes and "
            f"{config.encoder} with live ones: start one process, or freeze them by --weights imagenet "
            "--freeze-norms yes --head linear"
        )
