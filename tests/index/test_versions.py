"""Versions: built from what is there, refused when anything does not match, put back, removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.config import ScanConfig
from catalog.errors import LookalikeError, StoreError, UsageError, VersionError
from catalog.image import decode_photo, read_photo
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index import faiss_engine
from index import publish as publishing
from index.build import build_version
from index.colour import colour_descriptor
from index.config import IndexConfig, PruneConfig, RollbackConfig, StoreConfig
from index.loading import load_current, load_version
from index.status import list_versions, prune_versions, rollback, status
from index.versions import CONTENT_FILES, current_id, version_folders
from tests.small_run import leave_run
from training.encoder import load_encoder
from training.run_record import RunRecord
from training.runs import Run

MakeStore = Callable[[int], Store]


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store(9)
    leave_run(made, "one")
    return made


def build(store: Store, **changes: str) -> str:
    return build_version(IndexConfig(store=store.root, device="cpu", **changes)).version.id  # type: ignore[arg-type]


def test_a_version_is_complete_and_describes_itself(store: Store) -> None:
    summary = build_version(IndexConfig(store=store.root, device="cpu"))
    assert (summary.embedded, summary.reused, summary.unreadable, summary.exit_code) == (9, 0, 0, 0)
    folder = store.versions_dir / current_id(store)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CONTENT_FILES, "version.json"])
    version = load_current(store, "cpu").version
    assert version == summary.version
    assert (version.photos, version.products, version.dimension, version.kind) == (9, 9, 116, "exact")
    assert version.blocks == {"projection": 16, "lab-4x5x5": 100}
    assert version.manifest_fingerprint == Manifest.read(store.manifest_file).fingerprint
    assert (store.root / "embeddings" / version.encoder_sha256).is_dir()


def test_vectors_are_those_of_the_network_in_torch(store: Store) -> None:
    build(store)
    loaded = load_current(store, "cpu")
    encoder, header = load_encoder(store.runs_dir / "one" / "checkpoint.safetensors")
    from training.preprocess import preprocess

    root = Path(loaded.version.root)
    for row in range(9):
        photo = decode_photo(read_photo(root / loaded.items.item(row).path)).image
        pixels = torch.from_numpy(preprocess(photo, header.spec)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            expected = encoder(pixels).projection[0].numpy()
        vector = loaded.index.vector(row)
        assert float(expected @ vector[:16] / np.linalg.norm(expected)) > 0.9999
        assert float(colour_descriptor(preprocess(photo, header.spec)) @ vector[16:]) > 0.9999


def test_nothing_is_embedded_twice(store: Store, tmp_path: Path) -> None:
    build(store)
    shutil.copy(tmp_path / "photos" / "000.png", tmp_path / "photos" / "copy.png")
    (tmp_path / "photos" / "001.png").rename(tmp_path / "photos" / "renamed.png")
    scan(ScanConfig(catalog=tmp_path / "photos", store=store.root))
    summary = build_version(IndexConfig(store=store.root, device="cpu"))
    assert (summary.embedded, summary.reused, summary.version.photos) == (0, 9, 10)


def test_lost_photos_are_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    (tmp_path / "photos" / "004.png").unlink()
    (tmp_path / "photos" / "005.png").write_bytes((tmp_path / "photos" / "006.png").read_bytes())
    summary = build_version(IndexConfig(store=store.root, device="cpu"))
    assert (summary.version.photos, summary.unreadable, summary.exit_code) == (7, 2, 3)
    items = load_current(store, "cpu").items
    assert items.table["path"].to_pylist() == [f"00{number}.png" for number in (0, 1, 2, 3, 6, 7, 8)]


def test_one_photo_can_be_indexed(make_store: MakeStore) -> None:
    store = make_store(1)
    leave_run(store, "one")
    build(store)
    assert load_current(store, "cpu").version.photos == 1


@pytest.mark.parametrize("name", CONTENT_FILES)
def test_a_flipped_bit_is_refused_with_the_file_named(store: Store, name: str) -> None:
    build(store)
    path = store.versions_dir / current_id(store) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(VersionError, match=f"refused: {name} must have the SHA-256"):
        load_current(store, "cpu")
    path.unlink()
    with pytest.raises(VersionError, match=f"refused: {name} must be readable"):
        load_current(store, "cpu")


def edit_description(store: Store, **changes: object) -> None:
    """Without the description's own SHA-256, as versions from before are."""
    path = store.versions_dir / current_id(store) / "version.json"
    values = {**json.loads(path.read_text()), **changes}
    values.pop("sha256", None)
    path.write_text(json.dumps(values))


def test_another_encoder_of_the_same_width_is_refused(store: Store) -> None:
    """Even with hashes mended to match, the probe picture shows that the vectors are another encoder's."""
    leave_run(store, "two", seed=1)
    build(store, run="two")
    other = store.versions_dir / current_id(store)
    build(store, run="one")
    folder = store.versions_dir / current_id(store)
    files = json.loads((folder / "version.json").read_text())["files"]
    others = json.loads((other / "version.json").read_text())
    for name in ("encoder.onnx", "encoder.safetensors"):
        shutil.copy(other / name, folder / name)
        files[name] = others["files"][name]
    edit_description(store, files=files)
    with pytest.raises(VersionError, match=r"made by the encoder .*it holds"):
        load_current(store, "cpu")
    edit_description(store, files=files, encoder_sha256=others["encoder_sha256"])
    with pytest.raises(VersionError, match="probe picture"):
        load_current(store, "cpu")


def test_descriptions_that_do_not_match_are_refused(store: Store) -> None:
    build(store)
    folder = store.versions_dir / current_id(store)
    whole = (folder / "version.json").read_text()
    values = json.loads(whole)
    spec = {**values["spec"], "centre_crop": 0.5}
    canaries = [{**values["canaries"][0], "similarities": [0.5] * len(values["canaries"][0]["similarities"])}]
    for changes, told in (
        ({"photos": 8}, "must hold 8 photos"),
        ({"blocks": {"projection": 16, "older": 100}}, "must have the blocks"),
        ({"dimension": 16}, "must have 16 numbers"),
        ({"spec": spec}, "vectors were made with"),
        ({"canaries": canaries}, "known answer"),
        ({"format": 2}, "format must be 1"),
        ({"files": {}}, "must name"),
    ):
        (folder / "version.json").write_text(whole)
        edit_description(store, **changes)
        with pytest.raises(VersionError, match=told):
            load_version(folder, "cpu")


@pytest.mark.parametrize("fault", ["write", "rename", "current", "interrupt"])
def test_a_failed_publish_leaves_the_version_in_use(store: Store, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    before = build(store)
    leave_run(store, "two", seed=1)

    def fail(*arguments: object) -> None:
        if fault == "interrupt":
            raise KeyboardInterrupt
        raise OSError(28, "No space left on device")

    target = {"write": (faiss_engine, "write_index"), "rename": (os, "rename"), "current": (publishing, "point_to")}
    monkeypatch.setattr(*target.get(fault, (publishing, "load_version")), fail)
    with pytest.raises((LookalikeError, KeyboardInterrupt)):
        build(store, run="two")
    monkeypatch.undo()
    assert current_id(store) == before
    load_current(store, "cpu")
    assert not list(store.versions_dir.glob(".tmp-*"))
    build(store, run="two")
    assert current_id(store) != before


def test_old_versions_go_and_earlier_ones_come_back(store: Store) -> None:
    ids = [build(store) for _ in range(4)]
    assert [folder.name for folder in version_folders(store)] == ids[1:]
    assert current_id(store) == ids[3]
    rollback(RollbackConfig(store=store.root))
    assert current_id(store) == ids[2]
    told = str(list_versions(StoreConfig(store=store.root)))
    assert [line[:2] for line in told.splitlines()] == ["  ", "* ", "  "]
    rollback(RollbackConfig(store=store.root, to=ids[3]))
    assert current_id(store) == ids[3]
    with pytest.raises(UsageError, match="there is no version"):
        rollback(RollbackConfig(store=store.root, to="0099-nothing"))
    assert str(prune_versions(PruneConfig(store=store.root, keep=1))) == f"removed: {ids[1]}, {ids[2]}"
    with pytest.raises(UsageError, match="no version before"):
        rollback(RollbackConfig(store=store.root))


def test_rollback_passes_over_damaged_versions(store: Store) -> None:
    ids = [build(store) for _ in range(3)]
    damage(store.versions_dir / ids[1] / "index.faiss")
    told = str(rollback(RollbackConfig(store=store.root))).splitlines()
    assert current_id(store) == ids[0]
    assert told[0].startswith(f"passed over: version {ids[1]} is refused: index.faiss must have the SHA-256 ")
    assert told[1].startswith(f"in use: {ids[0]}")
    rollback(RollbackConfig(store=store.root, to=ids[2]))
    damage(store.versions_dir / ids[0] / "encoder.onnx")
    with pytest.raises(VersionError, match='nor can 1 before it be used: build a new version by "lookalike index"'):
        rollback(RollbackConfig(store=store.root))
    with pytest.raises(VersionError, match=r"encoder\.onnx must have the SHA-256"):
        rollback(RollbackConfig(store=store.root, to=ids[0]))
    assert current_id(store) == ids[2]


def damage(file: Path) -> None:
    """Flip a bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_run_that_was_damaged_is_refused_and_no_older_one_taken(store: Store) -> None:
    """One bit of the weights; and a file that was cut off, which says nothing of itself any more."""
    Run(store.runs_dir / "one").write_result({"steps": 1})
    build(store)
    leave_run(store, "two", seed=1)
    two = Run(store.runs_dir / "two")
    two.write_result({"steps": 1})
    os.utime(two.checkpoint_file, ns=(2**62, 2**62))
    whole = two.checkpoint_file.read_bytes()
    damage(two.checkpoint_file)
    with pytest.raises(VersionError, match=r"runs/two/checkpoint.safetensors must have the SHA-256 .* by --run"):
        build(store)
    two.checkpoint_file.write_bytes(whole[: len(whole) // 2])
    os.utime(two.checkpoint_file, ns=(2**62, 2**62))
    with pytest.raises(VersionError, match=r"checkpoint .*runs/two/checkpoint.safetensors cannot be read"):
        build(store)
    assert RunRecord.of(two).state == "damaged"
    build(store, run="one")


def test_where_a_run_was_begun_it_says_to_go_on_with_it(make_store: MakeStore) -> None:
    store = make_store(3)
    folder = store.runs_dir / "one"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "resume.pt").write_bytes(b"")
    with pytest.raises(LookalikeError, match='go on with the one that was begun by "lookalike train --resume"'):
        build(store)


def test_a_store_that_is_none_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    with pytest.raises(StoreError, match="holds other files: name the store's folder"):
        status(StoreConfig(store=tmp_path / "photos"))
    with pytest.raises(StoreError, match=r"--store must be a folder; .* is a file"):
        status(StoreConfig(store=tmp_path / "photos" / "a.jpg"))


def test_status_tells_what_to_do_next(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(3)
    assert 'no version to search yet: run "lookalike index"' in str(status(StoreConfig(store=store.root)))
    with pytest.raises(LookalikeError, match="no finished training run"):
        build(store)
    leave_run(store, "one")
    build(store)
    assert "3 photos of 3 products" in str(status(StoreConfig(store=store.root)))
    (tmp_path / "photos" / "002.png").unlink()
    scan(ScanConfig(catalog=tmp_path / "photos", store=store.root))
    told = status(StoreConfig(store=store.root))
    assert "the catalog has changed since" in str(told) and told.exit_code == 0
    damage(store.versions_dir / current_id(store) / "version.json")
    told = status(StoreConfig(store=store.root))
    assert "version.json" in str(told) and told.exit_code == 1
    with pytest.raises(StoreError, match="no store at"):
        status(StoreConfig(store=tmp_path / "nowhere"))
