"""`finetune`: supervised fine-tuning of an encoder, so that what is indexed tells a catalog's own labels apart.

As in SimCLRv2 (arXiv 2006.10029), the projection head is fine-tuned too and not thrown away: the classifier sits on the
projection, because that is what is indexed. First the classifier learns alone, then the encoder with it, at a lower
learning rate: a classifier that knows nothing yet would pull good features apart (LP-FT, arXiv 2202.10054).

Reads top to bottom: start, labels, classifier alone, both, held-out photos, checkpoint.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from catalog import atomic
from catalog.progress import progress
from catalog.stopping import StopRequest
from catalog.store import Store
from training.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from training.classifier import save_classifier
from training.device import autocast, choose_device
from training.encode_photos import Looking, encode_photos
from training.evaluation.classification import Classification
from training.evaluation.pictures import draw_confusion
from training.finetune_config import FinetuneConfig
from training.finetune_start import Job, begin, prepare
from training.finite import check_weights
from training.label_split import Places
from training.memory import keep_freed_memory
from training.metrics_log import MetricsLog
from training.optimizers import build_optimizer
from training.random_streams import epoch_order, generator
from training.say import Say
from training.schedule import schedule_factor
from training.settle_norms import settle_norms
from training.start import moved
from training.step import set_learning_rate
from training.supervised_step import REMEDY, even_batches, mean_of, take_step
from training.views import draw_batch, make_views

LINEAR = 0x4C49_4E45
"""First word of the name of the linear stage's orders (docs/decisions/0006)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneResult:
    """A finished fine-tuning."""

    name: str
    checkpoint: Path
    column: str
    labels: int
    photos: int
    """Learned from."""
    unlabelled: int
    """Left out because they have no label."""
    epochs: int
    moved: float
    """How far the backbone is from where it began: length of the change, relative to the length of its weights."""
    seconds: float
    classification: Classification | None
    """The classifier's answers on the held-out photos; None where none were held out."""

    def __str__(self) -> str:
        measured = "nothing was held out to measure on"
        if self.classification is not None:
            measured = (
                f"on {len(self.classification.truth)} held-out photos accuracy {self.classification.accuracy:.3f}, "
                f"macro precision {self.classification.macro_precision:.3f}, "
                f"recall {self.classification.macro_recall:.3f}, F1 {self.classification.macro_f1:.3f}"
            )
        return (
            f'fine-tuned {self.name} on "{self.column}": {self.photos} photos of {self.labels} labels, '
            f"{self.epochs} epochs in {self.seconds:.0f} s; the backbone moved by {self.moved:.1%} of its length; "
            f'{measured}; run "lookalike index" to search with it'
        )


def finetune(config: FinetuneConfig, say: Say = print) -> FinetuneResult:
    """Fine-tune an encoder on a column of labels and leave it as a run.

    Args:
        say: takes one line per epoch.

    Raises:
        UsageError: settings that cannot be; fewer than 2 labels.
        TrainingError: fewer than 2 usable photos, or the run became non-finite; the last good checkpoint stays.
        KeyboardInterrupt, Terminated: asked to stop; the last epoch's checkpoint stays, as one of an unfinished run.
    """
    begun = time.monotonic()
    store = Store.open(config.store)
    device = choose_device(config.device)
    keep_freed_memory()
    with store.writing("lookalike finetune"):
        job = prepare(store, config, device, say)
        shutil.rmtree(job.run.folder, ignore_errors=True)  # of a run that was killed as it began
        job.run.folder.mkdir(parents=True)
        try:
            atomic.write_json(job.run.config_file, job.settings())
            _learn(job, say)
            mixed = job.split.train[epoch_order(len(job.split.train), job.config.seed, job.config.epochs)]
            settle_norms(job.encoder, lambda: _vectors(job, mixed))  # batches of one folder would vary too little
            classification = _measure(job)
            result = FinetuneResult(
                name=job.run.name,
                checkpoint=job.run.checkpoint_file,
                column=config.labels,
                labels=len(job.classifier.labels),
                photos=len(job.split.train),
                unlabelled=job.split.unlabelled,
                epochs=job.config.epochs,
                moved=moved(job.encoder, begin(store, job.config).encoder),
                seconds=time.monotonic() - begun,
                classification=classification,
            )
            told = {name: getattr(result, name) for name in ("photos", "labels", "epochs", "moved", "seconds")}
            save_classifier(job.classifier, job.run.folder / "classifier.safetensors")
            _save(job, epoch=job.config.epochs, finished=True)
            job.run.write_result(told)
        except BaseException:
            if not job.run.checkpoint_file.exists():
                shutil.rmtree(job.run.folder)  # nothing was learned yet: leave the store as it was
            raise
    return result


def _learn(job: Job, say: Say) -> None:
    """The classifier alone, then both; in every epoch they see every labelled training photo once."""
    job.encoder.eval()
    vectors = _vectors(job, job.split.train)
    job.classifier.imprint(vectors, job.codes)
    with StopRequest() as stop, MetricsLog(job.run.metrics_file, from_step=0) as log:
        step = _learn_classifier(job, vectors, stop, log, say)
        _learn_both(job, stop, log, say, first_step=step)


def _learn_classifier(job: Job, vectors: Tensor, stop: StopRequest, log: MetricsLog, say: Say) -> int:
    """The linear stage, on vectors made once, of photos as they are; returns the number of its steps."""
    config = job.config
    parts = [(job.classifier, config.classifier_learning_rate)]
    optimizer = build_optimizer("adamw", parts, weight_decay=config.weight_decay)
    step = 0
    for epoch in range(config.linear_epochs):
        order = generator(config.seed, LINEAR, epoch).permutation(len(vectors))
        batches = even_batches(order, config.batch_size)
        rows = []
        for batch in batches:
            set_learning_rate(optimizer, schedule_factor(step, config.linear_epochs * len(batches), config.warmup))
            chosen = torch.from_numpy(batch).to(job.device)
            step += 1
            rows.append(take_step(optimizer, job.classifier(vectors[chosen]), job.codes[chosen], step))
        log.write(step, mean_of(rows))
        if stop.received:
            _stop(job, 0, stop, say)
    return step


def _learn_both(job: Job, stop: StopRequest, log: MetricsLog, say: Say, *, first_step: int) -> None:
    """The full stage: altered photos through encoder and classifier; a checkpoint after every epoch."""
    config, encoder = job.config, job.encoder
    parts = [
        (encoder.backbone, config.learning_rate),
        (encoder.head, config.learning_rate),
        (job.classifier, config.classifier_learning_rate),
    ]
    optimizer = build_optimizer("adamw", parts, weight_decay=config.weight_decay)
    step = 0
    for epoch in range(config.epochs):
        named = f"epoch {epoch + 1}/{config.epochs}"
        batches = even_batches(epoch_order(len(job.codes), config.seed, epoch), config.batch_size)
        rows, begun = [], time.monotonic()
        encoder.train()
        if job.start.frozen_norms:
            encoder.backbone.eval()  # dropout and stochastic depth stay out, too
        for batch in progress(batches, total=len(batches), description=named, unit="steps"):
            set_learning_rate(optimizer, schedule_factor(step, config.epochs * len(batches), config.warmup))
            images = _views(job, job.split.train[batch], epoch)
            with autocast(job.device, config.precision):
                vectors = getattr(encoder(images), encoder.spec.layer)
            codes = job.codes[torch.from_numpy(batch).to(job.device)]
            step += 1
            rows.append(take_step(optimizer, job.classifier(vectors.float()), codes, first_step + step))
            if stop.received:
                _stop(job, epoch, stop, say)
        row = {**mean_of(rows), "views_per_second": len(job.codes) / (time.monotonic() - begun)}
        log.write(first_step + step, row)
        check_weights(encoder, first_step + step, REMEDY)
        _save(job, epoch=epoch + 1, finished=False)
        say(f"{named}: loss {row['loss']:.3f}, accuracy {row['accuracy']:.3f}, {row['views_per_second']:.0f} views/s")


def _views(job: Job, places: Places, epoch: int) -> Tensor:
    """One view of each of some photos: float32 (B, 3, V, V) of 0 … 255, channels last."""
    views, photos = job.config.views, job.photos
    drawn = draw_batch(views, photos.aspects[places], places, job.config.seed, epoch, np.zeros_like(places))
    squares = torch.from_numpy(photos.pixels.take(places)).to(job.device)
    return make_views(squares, drawn, views.size)


def _stop(job: Job, epochs: int, stop: StopRequest, say: Say) -> None:
    kept = f"the encoder of epoch {epochs} stays in {job.run.name}, unfinished" if epochs else "nothing was learned yet"
    say(f"stopped in epoch {epochs + 1} of {job.config.epochs}: {kept}; to fine-tune, begin anew")
    stop.end()


def _vectors(job: Job, places: Places) -> Tensor:
    """Some photos as the index will see them, of unit norm: float32 (len(places), D), on the device."""
    spec = job.encoder.spec
    return encode_photos(
        lambda pixels: functional.normalize(getattr(job.encoder(pixels), spec.layer).float(), dim=1),
        job.photos,
        places,
        Looking(side=spec.image_size, centre_crop=spec.centre_crop, device=job.device),
        "encoding",
    )


def _measure(job: Job) -> Classification | None:
    """The classifier's answers on the held-out photos, also left in the run's folder."""
    split, folder = job.split, job.run.folder
    if not len(split.held_out):
        return None
    found = Classification(
        truth=split.held_out_labels,
        predicted=job.classifier.predict(_vectors(job, split.held_out)),
        learned=np.array(job.classifier.labels),
    )
    found.write_confusion(folder / "held_out_confusion.csv")
    draw_confusion(found.labels, found.confusion(), folder / "held_out_confusion.png")
    counts = {"column": job.config.labels, "learned_from": len(split.train), "unlabelled": split.unlabelled}
    atomic.write_json(folder / "held_out.json", {**counts, **found.to_json()})
    return found


def _save(job: Job, *, epoch: int, finished: bool) -> None:
    header = CheckpointHeader(
        spec=job.encoder.spec,
        name=job.run.name,
        finished=finished,
        epoch=epoch,
        manifest_fingerprint=job.photos.fingerprint,
        config=job.settings(),
    )
    save_checkpoint(Checkpoint(header=header, weights=job.encoder.state_dict()), job.run.checkpoint_file)
