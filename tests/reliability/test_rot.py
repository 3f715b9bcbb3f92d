"""Rot is seen: a bit that flips in any file of a version is refused with the file named, the version before goes on
being served, and `/readyz` says so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from catalog.command_line import main
from catalog.config import ScanConfig
from catalog.errors import VersionError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.versions import point_to
from search.service import SearchService
from tests.conftest import draw_photo
from tests.small_run import leave_run
from tests.ui.test_serve import serving
from ui.commands import ALL_COMMANDS

PHOTOS = 6  # fewer than the gate measures anything with
FLIPS, SHORT_FLIPS = 500, 25


@dataclass(frozen=True, slots=True)
class TwoVersions:
    store: Store
    photo: bytes
    older: str
    newer: str

    @property
    def files(self) -> list[Path]:
        """Of the newer version."""
        return sorted((self.store.versions_dir / self.newer).iterdir())


@pytest.fixture
def versions(tmp_path: Path) -> TwoVersions:
    """The older one is in use."""
    photos, store = tmp_path / "photos", Store(tmp_path / "store")
    photos.mkdir()
    ids: list[str] = []
    for count in (PHOTOS - 1, PHOTOS):
        for number in range(count):
            draw_photo(number).save(photos / f"{number}.png")
        scan(ScanConfig(catalog=photos, store=store.root))
        if not ids:
            leave_run(store, "one")
        ids.append(build_version(IndexConfig(store=store.root, device="cpu")).version.id)
    point_to(store, ids[0])
    return TwoVersions(store, (photos / "3.png").read_bytes(), *ids)


@contextmanager
def flipped(path: Path, place: int) -> Iterator[None]:
    """A file with another bit at a place, counted in bits; afterwards it is as it was."""

    def flip() -> None:
        with path.open("r+b") as file:
            file.seek(place // 8)
            byte = file.read(1)[0]
            file.seek(place // 8)
            file.write(bytes([byte ^ 1 << place % 8]))

    flip()
    yield
    flip()


def test_every_flipped_bit_is_refused(
    versions: TwoVersions, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    service = SearchService.open(versions.store.root, device="cpu")
    before = service.search(versions.photo).matches
    point_to(versions.store, versions.newer)
    drawn = random.Random(0)
    refused: Counter[str] = Counter()
    for _ in range(FLIPS if long else SHORT_FLIPS):
        path = drawn.choice(versions.files)
        place = drawn.randrange(8 * path.stat().st_size)
        with flipped(path, place), pytest.raises(VersionError) as error:
            service.refresh()
        assert path.name in str(error.value), (path.name, place, str(error.value))
        answer = service.search(versions.photo)
        assert (answer.version, answer.matches) == (versions.older, before)
        refused[path.name] += 1
    assert service.refresh() and service.version.id == versions.newer  # whole again, it is taken
    record_figures("rot", {"flips": refused.total(), "refused with the file named": refused})


def test_a_server_goes_on_with_the_version_before(versions: TwoVersions) -> None:
    with serving(versions.store.root, "--poll-seconds", "0.1") as (_, line):
        with httpx.Client(base_url=line.split()[1], timeout=30) as client:
            wait_for(client, "ready")
            for path in versions.files:
                with flipped(path, 8 * (path.stat().st_size // 2)):
                    point_to(versions.store, versions.newer)
                    wait_for(client, "degraded")
                    answer = client.post("/api/search", files={"photo": versions.photo})
                    assert (answer.status_code, answer.json()["version"]) == (200, versions.older)
                    point_to(versions.store, versions.older)
                    wait_for(client, "ready")


def wait_for(client: httpx.Client, word: str) -> None:
    deadline = monotonic() + 60
    while client.get("/readyz").text != word:
        assert monotonic() < deadline, f"never {word}"
        sleep(0.02)


def test_commands_refuse_it_and_name_the_way_back(versions: TwoVersions, capsys: pytest.CaptureFixture[str]) -> None:
    point_to(versions.store, versions.newer)
    query = versions.store.root.parent / "photos" / "3.png"
    search = ["search", str(query), "--store", str(versions.store.root), "--device", "cpu"]
    for path in versions.files:
        with flipped(path, 8 * (path.stat().st_size // 2)):
            assert main(ALL_COMMANDS, "lookalike", search) == 1
            told = capsys.readouterr().err
            assert path.name in told and "lookalike rollback" in told and told.count("\n") == 1
    with flipped(versions.files[0], 0):
        assert main(ALL_COMMANDS, "lookalike", ["rollback", "--store", str(versions.store.root)]) == 0
        assert main(ALL_COMMANDS, "lookalike", search) == 0
