"""The end of a training epoch: the encoder as it would be used, what it scores, whether the run is over."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from training.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from training.encode_photos import Looking, encode_photos
from training.encoder import Encoder, load_encoder
from training.evaluation.choose_layer import LayerChoice, choose_layer, label_free_score
from training.job import Job
from training.random_streams import epoch_order
from training.settle_norms import settle_norms
from training.start import enter_training, norms_are_frozen
from training.state import State

ORIGINAL = "original_recall@1"
SCORES = {"knn_accuracy": "kNN accuracy", ORIGINAL: "originals found"}
"""What may be measured at an epoch's end, as it is logged and as it is said."""
SETTLING_PHOTOS = 4096
"""Photos over which live batch norms are counted anew at an epoch's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """What an epoch came to."""

    encoder: Encoder
    """As it is used, in eval mode: this epoch's, or the best one's if the run is over."""
    best_epoch: int
    """The epoch whose encoder is the best so far; without early stopping always the last."""
    scores: dict[str, float]
    """What was measured, to be logged."""
    finished: bool
    """Whether the run is over."""
    choice: LayerChoice | None
    """The layer to index, once the run is over and where there are two."""


def measure_epoch(job: Job, state: State) -> EpochEnd:
    """Probe and score where it is due, and decide whether the run is over; changes nothing of its state."""
    config, epoch = job.config, state.epoch + 1
    last = epoch == config.epochs
    probed = job.probe is not None and (last or epoch % config.knn_every == 0)
    encoder = _settled(job, state.encoder) if last or probed or config.patience else state.encoder
    scores: dict[str, float] = {}
    if job.probe is not None and probed:
        scores["knn_accuracy"] = job.probe.accuracy(encoder)
    best_epoch = epoch
    if config.patience:
        scores[ORIGINAL] = label_free_score(encoder, job.photos.located, job.device)
        best_epoch = epoch if scores[ORIGINAL] > state.best_score else state.best_epoch
    finished = last or (config.patience > 0 and epoch - best_epoch >= config.patience)
    if finished and best_epoch != epoch:
        encoder = load_encoder(job.run.checkpoint_file)[0].to(job.device)
    choice = choose_layer(encoder, job.photos.located, job.device) if finished else None
    return EpochEnd(encoder=encoder, best_epoch=best_epoch, scores=scores, finished=finished, choice=choice)


def keep_best(job: Job, state: State, end: EpochEnd) -> None:
    """Make the encoder the run's checkpoint if it is the best so far, or the run is over."""
    better = end.best_epoch == state.epoch + 1
    if better:
        state.best_score, state.best_epoch = end.scores.get(ORIGINAL, 0.0), end.best_epoch
    if not (better or end.finished):
        return
    encoder, settings = end.encoder, job.config.to_json()
    if end.choice is not None:
        encoder.spec = replace(encoder.spec, layer=end.choice.layer)
        settings["layer_choice"] = end.choice.to_json()
    header = CheckpointHeader(
        spec=encoder.spec,
        name=job.run.name,
        finished=end.finished,
        epoch=end.best_epoch,
        manifest_fingerprint=job.photos.fingerprint,
        config=settings,
    )
    save_checkpoint(Checkpoint(header=header, weights=encoder.state_dict()), job.run.checkpoint_file)


def _settled(job: Job, encoder: Encoder) -> Encoder:
    """The encoder as it is used: in eval mode, the statistics of norms that are live in training counted anew."""
    if norms_are_frozen(job.config) and not encoder.spec.hidden_dim:
        return encoder.eval()
    encoder = copy.deepcopy(encoder)
    enter_training(encoder, job.config)
    config, photos = job.config, job.photos
    mixed = epoch_order(len(photos), config.seed, config.epochs)[:SETTLING_PHOTOS]
    settle_norms(
        encoder,
        lambda: encode_photos(
            lambda pixels: encoder(pixels).projection,
            photos,
            mixed,
            Looking(side=config.image_size, centre_crop=config.centre_crop, device=job.device),
            "settling norms",
        ),
    )
    return encoder
