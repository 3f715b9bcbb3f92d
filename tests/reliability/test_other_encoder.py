"""Another model's vectors are never mixed in: with an encoder of equal dimensions in the place of the one that made the
vectors, `search`, `serve`, `sync` and `index` refuse, whatever hashes were made to match."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from catalog.command_line import main
from catalog.config import ScanConfig
from catalog.errors import VersionError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.loading import load_version
from index.vectors import Floats
from index.versions import IndexVersion, current_id, point_to
from search.service import SearchService
from tests.conftest import draw_photo
from tests.small_run import leave_run
from ui.commands import ALL_COMMANDS

ENCODER = ("encoder.onnx", "encoder.safetensors")
SWAPS = {
    "the encoder, without its hashes": (ENCODER, False, False),
    "the encoder": (ENCODER, True, False),
    "the encoder, with its name": (ENCODER, True, True),
    "only what runs of it": (("encoder.onnx",), True, False),
    "the vectors": (("index.faiss",), True, False),
}
"""What is put into a version of another's; whether version.json is mended to match, and whether it names the other."""


class TwoEncoders:
    """A store with versions of the same photos by two encoders of equal dimensions; that of "one" is in use."""

    def __init__(self, folder: Path) -> None:
        self.photos, self.root = folder / "photos", folder / "store"
        self.photos.mkdir()
        for number in range(6):  # fewer than the gate measures anything with
            draw_photo(number).save(self.photos / f"{number}.png")
        scan(ScanConfig(catalog=self.photos, store=self.root))
        self.store = Store.open(self.root)
        leave_run(self.store, "one")
        leave_run(self.store, "two", seed=1)
        self.two, self.one = self.build("two"), self.build("one")
        assert self.one.blocks == self.two.blocks and self.one.encoder_sha256 != self.two.encoder_sha256

    def build(self, run: str) -> IndexVersion:
        return build_version(IndexConfig(store=self.root, device="cpu", run=run)).version

    def folder(self, version: IndexVersion) -> Path:
        return self.store.versions_dir / version.id

    def vectors(self, version_id: str) -> Floats:
        index = load_version(self.store.versions_dir / version_id, "cpu").index
        return np.stack([index.vector(row) for row in range(len(index))])

    @contextmanager
    def swapped(self, how: str) -> Iterator[None]:
        """Files of the other's version in the one in use; afterwards it is as it was."""
        kept = shutil.copytree(self.folder(self.one), self.root.with_name("kept"))
        self.swap(how)
        yield
        shutil.rmtree(self.folder(self.one))
        kept.rename(self.folder(self.one))

    def swap(self, how: str) -> None:
        names, mended, named = SWAPS[how]
        mine, other = self.folder(self.one), self.folder(self.two)
        values, others = (json.loads((folder / "version.json").read_text()) for folder in (mine, other))
        for name in names:
            shutil.copyfile(other / name, mine / name)
            values["files"][name] = others["files"][name]
        if named:
            values["encoder_sha256"] = others["encoder_sha256"]
        if mended:
            del values["sha256"]  # as a version from before, which did not tell it
            (mine / "version.json").write_text(json.dumps(values))

    def lookalike(self, *arguments: str | Path) -> int:
        return main(ALL_COMMANDS, "lookalike", [*map(str, arguments), "--store", str(self.root), "--device", "cpu"])

    def cached(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.store.embeddings_dir.rglob("vectors-*")}


@pytest.fixture
def stores(tmp_path: Path) -> TwoEncoders:
    return TwoEncoders(tmp_path)


def test_search_and_a_running_server_refuse(stores: TwoEncoders, capsys: pytest.CaptureFixture[str]) -> None:
    point_to(stores.store, stores.two.id)
    service = SearchService.open(stores.root, device="cpu")
    point_to(stores.store, stores.one.id)
    capsys.readouterr()
    for how in SWAPS:
        with stores.swapped(how):
            with pytest.raises(VersionError):
                service.refresh()
            assert service.version.id == stores.two.id, how  # and goes on with it
            assert stores.lookalike("search", stores.photos / "3.png") == 1, how
            told = capsys.readouterr()
            assert told.err.count("\n") == 1 and stores.one.id in told.err and "3.png" not in told.out, how
    assert service.refresh() and stores.lookalike("search", stores.photos / "3.png") == 0


def test_a_server_does_not_start(stores: TwoEncoders) -> None:
    stores.swap("the encoder, with its name")
    command = [sys.executable, "-m", "ui", "serve", "--store", str(stores.root), "--port", "0", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert "probe picture" in done.stderr and done.stderr.count("\n") == 1


def test_sync_embeds_nothing_with_it(stores: TwoEncoders, capsys: pytest.CaptureFixture[str]) -> None:
    before = stores.cached()
    draw_photo(9).save(stores.photos / "9.png")
    capsys.readouterr()
    for how in ("the encoder, without its hashes", "the encoder", "only what runs of it"):
        with stores.swapped(how):
            assert stores.lookalike("sync") == 1, how
            assert capsys.readouterr().err.count("\n") == 1
            assert (stores.cached(), current_id(stores.store)) == (before, stores.one.id), how


def test_sync_of_a_version_that_names_the_other_takes_all_vectors_from_it(stores: TwoEncoders) -> None:
    expected = stores.vectors(stores.two.id)
    stores.swap("the encoder, with its name")
    draw_photo(9).save(stores.photos / "9.png")
    assert stores.lookalike("sync") == 0
    assert np.allclose(stores.vectors(current_id(stores.store))[:6], expected, atol=1e-5)


def test_index_embeds_nothing_with_another_encoder_in_its_cache(
    stores: TwoEncoders, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [stores.store.embeddings_dir / version.encoder_sha256 for version in (stores.one, stores.two)]
    before = stores.cached()
    shutil.copyfile(folders[1] / "encoder.onnx", folders[0] / "encoder.onnx")
    draw_photo(9).save(stores.photos / "9.png")
    scan(ScanConfig(catalog=stores.photos, store=stores.root))
    assert stores.lookalike("index", "--run", "one") == 1
    told = capsys.readouterr().err
    assert "must encode the probe picture as when the vectors" in told and told.count("\n") == 1
    assert (stores.cached(), current_id(stores.store)) == (before, stores.one.id)


def test_index_with_another_checkpoint_in_a_run_takes_no_vector_from_before(stores: TwoEncoders) -> None:
    expected = stores.vectors(stores.two.id)
    runs = stores.store.runs_dir
    shutil.copyfile(runs / "two" / "checkpoint.safetensors", runs / "one" / "checkpoint.safetensors")
    version = stores.build("one")
    assert version.encoder_sha256 == stores.two.encoder_sha256
    assert np.allclose(stores.vectors(version.id), expected, atol=1e-5)
