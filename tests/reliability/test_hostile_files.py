"""Files from others cannot run code, and are refused in one line within bounds of memory: pickles, checkpoints, tables
and descriptions. Indexes: `test_hostile_indexes.py`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from catalog.config import ScanConfig
from catalog.scan import scan
from catalog.store import Store
from index.batches import batches
from index.build import build_version
from index.config import IndexConfig
from index.versions import CONTENT_FILES, current_id
from tests.conftest import draw_photo
from tests.reliability.reading import all_refused, read_each
from tests.small_run import leave_run
from training.checkpoint import CheckpointHeader, read_header

ALL_MODULES = "torch,timm,torchvision,faiss,onnxruntime,pyarrow.parquet"


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version in a store."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "photos").mkdir()
    for number in range(4):
        draw_photo(number).save(folder / "photos" / f"{number}.png")
    scan(ScanConfig(catalog=folder / "photos", store=folder / "store"))
    store = Store.open(folder / "store")
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return store.versions_dir / current_id(store)


def written(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def with_files(version: Path, target: Path, contents: Mapping[str, bytes]) -> Path:
    """A version with other files in it, and a description that has been made to fit."""
    target.mkdir(parents=True)
    for file in version.iterdir():
        (target / file.name).symlink_to(file)
    values = json.loads((version / "version.json").read_text())
    for name, content in contents.items():
        (target / name).unlink()
        (target / name).write_bytes(content)
        values["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    values["encoder_sha256"] = values["files"]["encoder.safetensors"]["sha256"]
    return described(target, values)


def described(target: Path, values: Any) -> Path:
    """A version's folder with another version.json, which tells no hash of its own."""
    (target / "version.json").unlink()
    if isinstance(values, dict):
        values.pop("sha256", None)
    (target / "version.json").write_text(json.dumps(values))
    return target


# Pickles


class Evil:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def pickles(marker: Path) -> dict[str, bytes]:
    """Code that makes a folder, in the wrappings in which it could be handed on."""
    evil, saved, legacy, array = Evil(marker), io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"weight": evil}, saved)
    torch.save({"weight": evil}, legacy, _use_new_zipfile_serialization=False)
    np.save(array, np.array([evil], object), allow_pickle=True)
    return {
        "plain.pt": pickle.dumps(evil),
        "saved.pt": saved.getvalue(),
        "legacy.pt": legacy.getvalue(),
        "array.npy": array.getvalue(),
        "named.safetensors": pickle.dumps(evil),
    }


def test_pickled_code_is_refused_wherever_a_file_is_read(version: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    files = written(tmp_path / "pickles", pickles(marker))
    for file in files[:3]:  # it does run where pickles are loaded
        with suppress(RuntimeError):
            torch.load(file, weights_only=False)
        marker.rmdir()
    runs = [written(tmp_path / f"run {file.name}", {"resume.pt": file.read_bytes()})[0].parent for file in files]
    folders = [with_files(version, tmp_path / name, {name: files[0].read_bytes()}) for name in CONTENT_FILES]
    readers = ("checkpoint", "weights", "table", "start_rows")
    given = [(reader, file) for reader in readers for file in files]
    all_refused([*given, *(("state", run) for run in runs), *(("version", one) for one in folders)], ALL_MODULES)
    assert not marker.exists()


# Checkpoints


def hostile_checkpoints(whole: Path, folder: Path) -> Iterator[Path]:
    content, header = whole.read_bytes(), read_header(whole)
    size = int.from_bytes(content[:8], "little")
    tensors, table = content[8 + size :], json.loads(content[8 : 8 + size])
    name = max(table.keys() - {"__metadata__"}, key=lambda name: int(np.prod(table[name]["shape"])))
    raw = {
        "empty": b"",
        "cut in the header": content[:100],
        "cut in the weights": content[:-1000],
        "a header of 8 EiB": struct.pack("<Q", 2**63) + content[8:],
        "a header of 90 MB": struct.pack("<Q", 90_000_000) + content[8:],
        "a header that is no text": content[:8] + b"\xff" * 100 + content[108:],
        "a header of a million brackets": struct.pack("<Q", 10**6) + b"[" * 10**6,
    }
    changed = {
        "weights beyond the end": {**table, name: {**table[name], "data_offsets": [0, 2**40]}},
        "weights that overlap": {**table, name: {**table[name], "data_offsets": [0, 8]}},
        "a shape of 2^120": {**table, name: {**table[name], "shape": [2**60, 2**60]}},
        "a negative shape": {**table, name: {**table[name], "shape": [-4]}},
        "another type": {**table, name: {**table[name], "dtype": "PICKLE"}},
        "a description of brackets": {**table, "__metadata__": {"lookalike": "[" * 100_000}},
        "a description of NaN": {**table, "__metadata__": {"lookalike": "NaN"}},
    }
    for label, values in changed.items():
        text = json.dumps(values).encode()
        raw[label] = struct.pack("<Q", len(text)) + text + tensors
    yield from written(folder, raw)
    weights = load_file(whole)
    for label, spec in {
        "a head of a billion": replace(header.spec, projection_dim=10**9),
        "a hidden layer of a billion": replace(header.spec, hidden_dim=10**9, projection_dim=4),
        "another backbone": replace(header.spec, backbone="resnet18", feature_dim=512),
        "an unknown backbone": replace(header.spec, backbone="os.system"),
    }.items():
        yield saved(folder / label, replace(header, spec=spec), weights)
    yield saved(folder / "NaN", header, {**weights, name: weights[name] * float("nan")})
    yield saved(folder / "a tensor less", header, {key: value for key, value in weights.items() if key != name})
    yield saved(folder / "a tensor of another size", header, {**weights, name: torch.zeros(3)})


def saved(path: Path, header: CheckpointHeader, weights: dict[str, torch.Tensor]) -> Path:
    description = {"format": 1, "spec": header.spec.to_json(), "name": header.name, "finished": True, "epoch": 1}
    description |= {"manifest_fingerprint": "", "config": {}}
    save_file(weights, path, metadata={"lookalike": json.dumps(description)})
    return path


def test_hostile_checkpoints(
    version: Path, tmp_path: Path, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    files = list(hostile_checkpoints(version / "encoder.safetensors", tmp_path / "checkpoints"))
    record_figures("hostile-checkpoints", all_refused([("checkpoint", file) for file in files], ALL_MODULES))


# Tables


def hostile_tables(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    good = pa.table({"path": [f"{number}.png" for number in range(1000)], "price": [1.5] * 1000})
    pq.write_table(good, folder / "good.parquet")
    content = (folder / "good.parquet").read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    yield from written(
        folder,
        {
            "empty.parquet": b"",
            "cut.parquet": content[:-200],
            "footer-of-4-gb.parquet": content[:-8] + b"\xff\xff\xff\xff" + content[-4:],
            "pages-gone.parquet": content[:4] + bytes(footer - 4) + content[footer:],
            "nul.csv": bytes(1000),
            "one-quote.csv": b'path,title\n"' + b"a" * 10_000_000,
            "binary.csv": random.Random(0).randbytes(100_000),
            "a-million-columns.csv": b"path," + b",".join(b"c%d" % number for number in range(10**6)) + b"\n1,2\n",
        },
    )
    for name, column in {
        "lists": [["a.png"]],
        "bytes": [b"\xff\xfe"],
        "pictures": [{"bytes": b"", "path": "a"}],
    }.items():
        pq.write_table(pa.table({"path": column}), folder / f"{name}.parquet")
        yield folder / f"{name}.parquet"
    nested = pa.array(["a"])
    for _ in range(300):
        nested = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), nested)
    pq.write_table(pa.table({"path": ["a.png"], "deep": nested}), folder / "deep.parquet")
    yield folder / "deep.parquet"
    yield repeated(folder / "20-million-times-one-photo.parquet", ["a.png"] * 1_000_000, 20)
    yield repeated(folder / "3000-times-a-megabyte.parquet", ["a" * 1_000_000] * 30, 100)
    yield repeated(folder / "600-mb-of-zeros.parquet", ["\0" * 6_000_000], 100, use_dictionary=False)


def repeated(file: Path, texts: list[str], times: int, **options: Any) -> Path:
    """A table that unpacks to far more than it is: the same texts again and again."""
    table = pa.table({"path": texts})
    with pq.ParquetWriter(file, table.schema, compression="zstd", **options) as writer:
        for _ in range(times):
            writer.write_table(table)
    return file


def test_hostile_tables(tmp_path: Path, record_figures: Callable[[str, dict[str, Any]], None]) -> None:
    found = [all_refused([("table", file)], "pyarrow.parquet") for file in hostile_tables(tmp_path / "tables")]
    record_figures("hostile-tables", {"refused": len(found), "megabytes": max(one["megabytes"] for one in found)})
    (good,) = read_each([("table", tmp_path / "tables" / "good.parquet")], "pyarrow.parquet")
    assert good.outcome == "read"


# Descriptions

NUMBERS: tuple[Any, ...] = (None, True, -1, 10**9, 2**70, 1e308, float("nan"))
HOSTILE_VALUES: tuple[Any, ...] = (*NUMBERS, "", "../../etc", "\0", [], [[]], {}, {"a": {}})


def places(values: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a JSON document; of lists, the first three."""
    yield way
    if isinstance(values, dict | list):
        inner = list(values.items()) if isinstance(values, dict) else list(enumerate(values))[:3]
        for key, value in inner:
            yield from places(value, (*way, key))


def put(values: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not way:
        return value
    changed = values.copy()
    changed[way[0]] = put(values[way[0]], way[1:], value)
    return changed


def test_hostile_descriptions(
    version: Path, tmp_path: Path, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    """A version whose version.json says anything at all is refused, or what was changed does not matter."""
    values = json.loads((version / "version.json").read_text())
    cases = [(way, value) for way in places(values) for value in HOSTILE_VALUES]
    if not long:
        cases = random.Random(0).sample(cases, 40)
    given = []
    for number, (way, value) in enumerate(cases):
        folder = with_files(version, tmp_path / str(number), {})
        given.append(("version", described(folder, put(values, way, value))))
    found = [read for part in batches(given, 200) for read in read_each(part, ALL_MODULES)]
    wrong = [
        (case, read)
        for case, read in zip(cases, found, strict=True)
        if read.outcome not in ("read", "refused") or not read.told.isprintable() or read.megabytes > 500
    ]
    assert not wrong
    refused = sum(read.outcome == "refused" for read in found)
    record_figures(
        "hostile-descriptions", {"files": len(found), "refused": refused, "did_not_matter": len(found) - refused}
    )


def test_descriptions_that_are_none(version: Path, tmp_path: Path) -> None:
    texts = {"brackets": b"[" * 100_000, "no text": b"\xff", "NaN": b"NaN", "a list": b"[1]", "cut": b'{"format": 1,'}
    texts |= {
        "a number of 5000 digits": b'{"format": ' + b"9" * 5000 + b"}",
        "empty": b"",
        "braces": b'{"a":' * 100_000,
    }
    given = []
    for name, text in texts.items():
        folder = with_files(version, tmp_path / name / "version", {})
        (folder / "version.json").write_bytes(text)
        written(tmp_path / name, {"catalog.json": text})
        given += [("version", folder), ("store", tmp_path / name)]
    all_refused(given, ALL_MODULES)
