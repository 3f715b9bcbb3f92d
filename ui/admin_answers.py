"""What the owner's page is told: the shapes of /api/admin/… ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from catalog.manifest import CatalogItem
from index.overview import Overview, VersionEntry
from search.duplicates_table import FoundGroup, FoundMember
from search.side_by_side import Placed, SideBySide
from training.run_record import RunState
from ui.admin_jobs import JobName, JobReport, JobState
from ui.answers import Match, Product, answer
from ui.media import media_address

FindPhoto = Callable[[int], CatalogItem | None]
"""A photo of the version that is being served, by its image_id; None where it is not there any more."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)


class Version(_Answer):
    """A version there is. All but the first three fields are null where it cannot be read."""

    id: str
    in_use: bool
    problem: str
    """Why it cannot be read; else empty."""
    created: str | None = None
    """ISO 8601, UTC."""
    photos: int | None = None
    products: int | None = None
    encoder: str | None = None
    """The run that trained it, or "imagenet"."""
    encoder_sha256: str | None = None
    backbone: str | None = None
    layer: str | None = None
    """The encoder's output that is indexed."""
    dimension: int | None = None
    kind: str | None = None
    """Kind of index."""
    recall: float | None = None
    """Measured part of the true 10 nearest that it finds."""
    promised_recall: float | None = None
    verdict: str | None = None
    """What the check of the encoder found, when it was put into use."""


class Status(_Answer):
    """The store and what is served from it."""

    photos: int
    products: int
    """Of the catalog as last scanned."""
    left_out: int
    in_use: str
    """Id of the version that the store names; empty where there is none."""
    serving: str
    """Id of the version that is being served: for a second, or where the other is refused, not the same."""
    behind: bool
    """Whether a scan found changes that the version in use lacks."""
    versions: list[Version]
    """Newest first."""


class Progress(_Answer):
    """How far a step is."""

    description: str
    done: int
    total: int | None
    unit: str
    percent: int | None


class Job(_Answer):
    """A job that runs, or ran last."""

    job: JobName
    state: JobState
    started: str
    """ISO 8601, UTC."""
    seconds: float
    exit_code: int | None
    lines: list[str]
    """The last of what it printed."""
    progress: Progress | None


class LeftOutFile(_Answer):
    """A file that the last scan left out."""

    row: int
    """Its place in the quarantine, by which its picture is asked for."""
    path: str
    """Relative to the catalog's root."""
    code: str
    reason: str


class Quarantine(_Answer):
    """Some of the files that were left out."""

    total: int
    files: list[LeftOutFile]


class Run(_Answer):
    """A training run."""

    name: str
    state: RunState
    settings: dict[str, str]
    figures: dict[str, float]
    pictures: list[str]
    """Names under /api/admin/runs/{name}/pictures/."""


class Curve(_Answer):
    """One number over the steps of a run."""

    name: str
    steps: list[int]
    values: list[float]


class DuplicateMember(_Answer):
    """A photo of a group."""

    image_id: int
    item_id: str
    path: str
    relation: str
    similarity: float
    width: int
    height: int
    media: str | None
    """Where its picture is; null where the version in use has it not any more."""


class DuplicateGroup(_Answer):
    """Photos that show one picture."""

    kind: str
    members: list[DuplicateMember]


class Duplicates(_Answer):
    """Some of the groups that the newest look for duplicates found."""

    looked: Job | None
    """That look; null where there was none since the server started."""
    total: int
    groups: list[DuplicateGroup]


class ComparedMatch(_Answer):
    """A product of one version's answer."""

    match: Match
    other_rank: int | None
    """Its rank in the other version's answer; null where that has it not."""
    has_picture: bool
    """Whether the version that is being served still has the photo."""


class ComparedVersion(_Answer):
    """One version's answer."""

    version: str
    matches: list[ComparedMatch]


class Compared(_Answer):
    """Two versions' answers to one query."""

    query: str
    product: Product | None
    """The product that was asked with; null where a photo was."""
    in_both: int
    """How many products both answers have."""
    first: ComparedVersion
    second: ComparedVersion


def status(found: Overview, serving: str) -> Status:
    """A store as the page shows it."""
    return Status(
        photos=found.photos,
        products=found.products,
        left_out=found.left_out,
        in_use=found.in_use,
        serving=serving,
        behind=found.behind,
        versions=[_version(entry, found.in_use) for entry in found.versions],
    )


def _version(entry: VersionEntry, in_use: str) -> Version:
    told = entry.version
    if told is None:
        return Version(id=entry.id, in_use=entry.id == in_use, problem=entry.problem)
    return Version(
        id=entry.id,
        in_use=entry.id == in_use,
        problem="",
        created=told.created,
        photos=told.photos,
        products=told.products,
        encoder=told.encoder_name,
        encoder_sha256=told.encoder_sha256,
        backbone=told.spec.backbone,
        layer=told.spec.layer,
        dimension=told.dimension,
        kind=told.kind,
        recall=told.recall,
        promised_recall=told.promised_recall,
        verdict=told.quality.get("warning") or told.quality.get("verdict"),
    )


def job(report: JobReport | None) -> Job | None:
    """A job as the page shows it."""
    return None if report is None else Job.model_validate(report)


def group(found: FoundGroup, find: FindPhoto) -> DuplicateGroup:
    """A group of duplicates as the page shows it."""
    return DuplicateGroup(kind=found.kind, members=[_member(member, find) for member in found.members])


def _member(found: FoundMember, find: FindPhoto) -> DuplicateMember:
    item = find(found.image_id)
    return DuplicateMember(**asdict(found), media=None if item is None else media_address(item))


def compared(found: SideBySide, product: Product | None, find: FindPhoto) -> Compared:
    """Two answers as the page shows them."""

    def side(result_matches: list[Match], version: str, places: tuple[Placed, ...]) -> ComparedVersion:
        return ComparedVersion(
            version=version,
            matches=[
                ComparedMatch(match=match, other_rank=place.other_rank, has_picture=find(match.image_id) is not None)
                for match, place in zip(result_matches, places, strict=True)
            ],
        )

    first, second = found.placed
    return Compared(
        query=found.first.query,
        product=product,
        in_both=found.in_both,
        first=side(answer(found.first).matches, found.first.version, first),
        second=side(answer(found.second).matches, found.second.version, second),
    )
