"""Exporting: the ONNX file gives PyTorch's vectors to people without lookalike, or there is no file."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from catalog.command_line import main
from catalog.errors import LookalikeError, VersionError
from catalog.manifest import Manifest
from catalog.store import Store
from index import export as exporting
from index.commands import COMMANDS
from index.config import ExportConfig
from index.embedder import Pixels
from index.export import compare, export_encoder
from index.vectors import Floats
from tests.small_run import exported_encoder, leave_run
from training.encoder import load_encoder
from training.spec import EncoderSpec

MakeStore = Callable[[int], Store]


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store(9)
    leave_run(made, "one")
    return made


@pytest.fixture
def exported_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph that `export_onnx` made when the run was left: exporting copies it, which is quicker."""
    graph = exported_encoder() / "encoder.onnx"
    monkeypatch.setattr(exporting, "export_onnx", lambda _, target: shutil.copyfile(graph, target))
    return graph


def vector_by_hand(onnx_file: Path, photo: Path) -> Floats:
    """A photo's vector by ONNX Runtime and Pillow, from what the description beside the file says."""
    told = json.loads(onnx_file.with_suffix(".json").read_text())
    preparing, size = told["preprocessing"], told["preprocessing"]["image_size"]
    image = Image.open(photo).convert("RGB")
    side = preparing["centre_crop"] * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    resize_filter = Image.Resampling[preparing["resize_filter"].upper()]
    square = image.resize((size, size), resize_filter, box=(left, top, left + side, top + side))
    assert (told["input"]["type"], told["input"]["layout"], told["input"]["channels"]) == ("uint8", "NHWC", "RGB")
    assert told["input"]["shape"] == ["N", size, size, 3]
    session = onnxruntime.InferenceSession(str(onnx_file.with_name(told["file"])))
    (vectors,) = session.run([told["output"]["name"]], {told["input"]["name"]: np.asarray(square)[None]})
    assert vectors.shape == (1, told["output"]["shape"][1])
    vector: Floats = vectors[0] if told["output"]["unit_norm"] else vectors[0] / np.linalg.norm(vectors[0])
    return vector


def vector_in_torch(checkpoint: Path, photo: Path) -> Floats:
    encoder, header = load_encoder(checkpoint)
    image = Image.open(photo).convert("RGB")
    left, top = (image.width - image.height) / 2, 0  # the photos are wide, and this encoder looks at a full square
    assert header.spec.centre_crop == 1.0
    size = (header.spec.image_size, header.spec.image_size)
    square = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + image.height, image.height))
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        vector: Floats = encoder(pixels).projection[0].numpy()
    return vector / np.linalg.norm(vector)


def test_the_exported_file_and_its_description_give_the_vectors_of_torch(store: Store, tmp_path: Path) -> None:
    checkpoint = store.runs_dir / "one" / "checkpoint.safetensors"
    file = tmp_path / "encoder.onnx"
    summary = export_encoder(ExportConfig(store=store.root, output=file))
    assert (summary.equality.photos, summary.equality.unreadable, summary.exit_code) == (9, 0, 0)
    cosines = []
    for number in range(9):
        photo = tmp_path / "photos" / f"{number:03d}.png"
        cosines.append(float(vector_by_hand(file, photo) @ vector_in_torch(checkpoint, photo)))
    assert min(cosines) >= 0.9999
    assert summary.equality.least == pytest.approx(min(cosines), abs=1e-6)
    told = json.loads(file.with_suffix(".json").read_text())
    assert (told["run"], told["layer"], told["file"]) == ("one", "projection", "encoder.onnx")
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (told["check"]["photos"], told["check"]["least_cosine"]) == (9, summary.equality.least)
    assert told["check"]["least_cosine"] <= told["check"]["median_cosine"]
    said = str(summary)
    assert f"{file.stat().st_size / 1e6:.1f} MB" in said
    assert "9 photos" in said
    assert f"{summary.equality.least:.6f}" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.json", "encoder.onnx", "photos", "store"]


def double_one_row(graph: Path, target: Path) -> None:
    """Write a graph with one of the projection's 16 outputs twice as large: valid, and not quite the encoder."""
    model = onnx.load(graph)
    (weight,) = [one for one in model.graph.initializer if 16 in one.dims and len(one.dims) == 2]
    values = numpy_helper.to_array(weight).copy()
    values[(0, slice(None)) if values.shape[0] == 16 else (slice(None), 0)] *= 2
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, target)


@pytest.mark.parametrize("damage", ["altered", "unreadable"])
def test_a_file_that_is_not_the_encoder_is_refused_and_leaves_nothing(
    store: Store, exported_before: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
) -> None:
    def export(_: Path, target: Path) -> None:
        double_one_row(exported_before, target) if damage == "altered" else target.write_bytes(b"no graph")

    monkeypatch.setattr(exporting, "export_onnx", export)
    told = {"altered": r"cosine at least 0\.9999\); 00\d\.png has 0\.\d{6}, so nothing", "unreadable": "cannot be read"}
    with pytest.raises(LookalikeError, match=told[damage]) as refused:
        export_encoder(ExportConfig(store=store.root, output=tmp_path / "encoder.onnx"))
    assert refused.value.exit_code == 1
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "store"]


def test_a_refused_export_leaves_the_file_that_was_there(
    store: Store, exported_before: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "encoder.onnx"
    file.write_bytes(b"from last year")
    file.with_suffix(".json").write_text("about it")
    forced = ExportConfig(store=store.root, output=file, force=True)
    with monkeypatch.context() as altered:
        altered.setattr(exporting, "export_onnx", lambda _, target: double_one_row(exported_before, target))
        with pytest.raises(LookalikeError, match="nothing was written"):
            export_encoder(forced)
    assert (file.read_bytes(), file.with_suffix(".json").read_text()) == (b"from last year", "about it")
    export_encoder(forced)
    assert file.read_bytes() == exported_before.read_bytes()
    assert json.loads(file.with_suffix(".json").read_text())["run"] == "one"


def test_the_least_cosine_is_that_of_the_angle_between_the_two_vectors(store: Store) -> None:
    """Photo i turned by i thousandths of a radian in a plane: its cosine is cos(i / 1000)."""
    asked = Manifest.read(store.manifest_file).distinct_photos(Path(store.read_catalog()["root"]))
    spec = EncoderSpec(backbone="none", feature_dim=2, image_size=8, mean=(0, 0, 0), std=(1, 1, 1), layer="backbone")
    angles = np.arange(len(asked)) / 1000

    def first_axis(photos: Pixels) -> Floats:
        return np.tile(np.array([3, 0], np.float32), (len(photos), 1))

    def turned(photos: Pixels) -> Floats:
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def not_finite(photos: Pixels) -> Floats:
        return np.array([[1, 0]] * 4 + [[np.nan, 0]] + [[1, 0]] * 4, np.float32)

    def wider(photos: Pixels) -> Floats:
        return np.ones((len(photos), 3), np.float32)

    found = compare(first_axis, turned, asked, spec)
    assert (found.photos, found.least_photo) == (9, "008.png")
    assert found.least == pytest.approx(math.cos(0.008), abs=1e-7)
    assert found.median == pytest.approx(math.cos(0.004), abs=1e-7)
    found = compare(first_axis, not_finite, asked, spec)
    assert math.isnan(found.least)
    assert found.least_photo == "004.png"
    with pytest.raises(VersionError, match=r"shape \(9, 2\); it gave \(9, 3\)"):
        compare(first_axis, wider, asked, spec)


@pytest.mark.usefixtures("exported_before")
def test_some_photos_are_checked_chosen_by_content_and_lost_ones_are_counted(store: Store, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    by_content = sorted(photos.iterdir(), key=lambda photo: hashlib.sha256(photo.read_bytes()).hexdigest())
    for unasked in by_content[3:]:
        unasked.unlink()
    config = ExportConfig(store=store.root, output=tmp_path / "encoder.onnx", photos=3, force=True)
    summary = export_encoder(config)
    assert (summary.equality.photos, summary.equality.unreadable, summary.exit_code) == (3, 0, 0)
    by_content[0].unlink()
    by_content[1].write_bytes(b"no photo any more")
    summary = export_encoder(config)
    assert (summary.equality.photos, summary.equality.unreadable, summary.exit_code) == (1, 2, 3)
    assert summary.equality.least_photo == by_content[2].name
    assert "2 unreadable" in str(summary)
    by_content[2].unlink()
    with pytest.raises(LookalikeError, match="0 of 3 can be read") as refused:
        export_encoder(config)
    assert refused.value.exit_code == 1


@pytest.mark.usefixtures("exported_before")
def test_an_empty_catalog_is_refused(store: Store, tmp_path: Path) -> None:
    pq.write_table(Manifest.read(store.manifest_file).table.slice(0, 0), store.manifest_file)
    with pytest.raises(LookalikeError, match="0 of 0 can be read"):
        export_encoder(ExportConfig(store=store.root, output=tmp_path / "encoder.onnx"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "store"]


@pytest.mark.usefixtures("exported_before")
def test_the_command_names_the_file_after_the_run_and_overwrites_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    before = signal.getsignal(signal.SIGTERM)

    def ask(*arguments: str) -> tuple[int, str]:
        code = main(COMMANDS, "lookalike", ["export", "--store", str(store.root), *arguments])
        signal.signal(signal.SIGTERM, before)
        said = capsys.readouterr()
        return code, said.out + said.err

    code, said = ask("--photos", "2")
    assert code == 0
    assert "one.onnx: the encoder of one" in said
    assert "checked on 2 photos" in said
    assert sorted(path.name for path in working.iterdir()) == ["one.json", "one.onnx"]
    for arguments, told in (
        ((), "one.onnx exists"),
        (("--output", "other.bin"), "must end in .onnx"),
        (("--output", "nowhere/one.onnx"), "a folder that exists"),
        (("--run", "two"), "there are: one"),
        (("--photos", "0"), "received 0"),
    ):
        code, said = ask(*arguments)
        assert (code, said.count("\n")) == (2, 1), said
        assert told in said
    (working / "one.onnx").unlink()
    assert ask() == (
        2,
        "lookalike: export overwrites a file only with --force; one.json exists: name another by --output\n",
    )
    assert ask("--force")[0] == 0
    assert ask("--output", "again.onnx", "--run", "one")[0] == 0


def test_a_store_without_a_finished_run_or_checkpoint_says_what_to_do(store: Store) -> None:
    (store.runs_dir / "one" / "checkpoint.safetensors").unlink()
    with pytest.raises(LookalikeError, match='no finished training run: run "lookalike train"'):
        export_encoder(ExportConfig(store=store.root))
    with pytest.raises(VersionError, match="no checkpoint yet"):
        export_encoder(ExportConfig(store=store.root, run="one"))


def test_a_failing_disk_is_one_line_and_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, target: Path) -> None:
        target.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "export_onnx", full)
    with pytest.raises(LookalikeError, match=r"could not be written to .*No space left.*--output"):
        export_encoder(ExportConfig(store=store.root, output=tmp_path / "encoder.onnx"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "store"]
