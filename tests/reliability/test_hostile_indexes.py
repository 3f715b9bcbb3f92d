"""An index from others is refused unless it is of a kind that is needed, whole, and of numbers.

FAISS reads no other file for it, takes no more memory than is bounded, and never ends the process, however the file was
changed.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from index.faiss_index import FlatIndex
from index.kinds import BUILD, files_of
from index.vectors import Floats, unit_norm
from index.versions import INDEX_FILE
from tests.reliability.reading import all_refused, read_each

MODULES = "faiss,index.kinds"
COUNT, DIMENSION = 1200, 32
LARGE = (2**62, 2**40 - 1, 2**33, 2**31 - 1, -1, 0)
"""Counts and lengths that are not the file's."""


def vectors() -> Floats:
    return unit_norm(np.random.default_rng(0).normal(size=(COUNT, DIMENSION)).astype(np.float32))


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """An index of each kind as it is published; "mapped" is what an ivf-pq ranks by."""
    contents: dict[str, bytes] = {}
    for kind, build in BUILD.items():
        stream = io.BytesIO()
        files_of(build(vectors(), (DIMENSION,)))[INDEX_FILE].write(stream.write)
        contents[kind] = stream.getvalue()
    return {**contents, "mapped": contents["exact"]}


def written(folder: Path, contents: Mapping[str, bytes]) -> list[tuple[str, Path]]:
    """Files to be read as the kind that begins their names; an exact index for ivf-pq to rank by lies beside them."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [("index", folder / name) for name in contents]


def test_each_kind_is_read_as_it_is_published(whole: dict[str, bytes], tmp_path: Path) -> None:
    found = read_each(written(tmp_path, whole), MODULES)
    assert [read.outcome for read in found] == ["read"] * len(whole)


def other_types() -> Iterator[tuple[str, faiss.Index]]:
    """Indexes that FAISS reads and that are of no kind here."""
    yield "L2", faiss.IndexFlatL2(DIMENSION)
    yield "bits", faiss.IndexLSH(DIMENSION, 16)
    yield "scalars", faiss.IndexScalarQuantizer(DIMENSION, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    yield "ids", faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
    yield "refined", faiss.IndexRefineFlat(faiss.IndexFlatIP(DIMENSION))


def other_parts() -> Iterator[tuple[str, faiss.Index]]:
    """Indexes that are of a kind here by their beginning, and by a part are not."""
    flat, graph = faiss.IndexFlatIP(DIMENSION), faiss.IndexHNSWFlat(DIMENSION, 8, faiss.METRIC_INNER_PRODUCT)
    yield "ivf by a graph", faiss.IndexIVFFlat(graph, DIMENSION, 8, faiss.METRIC_INNER_PRODUCT)
    yield "ivf-pq of a plain index", faiss.IndexPreTransform(faiss.LinearTransform(DIMENSION, DIMENSION), flat)
    pq = faiss.IndexIVFPQFastScan(flat, DIMENSION, 8, 8, 4, faiss.METRIC_INNER_PRODUCT)
    yield "ivf-pq by a PCA", faiss.IndexPreTransform(faiss.PCAMatrix(DIMENSION, DIMENSION), pq)
    yield "hnsw by L2", faiss.IndexHNSWFlat(DIMENSION, 8)


def test_only_the_types_that_are_needed_are_read(whole: dict[str, bytes], tmp_path: Path) -> None:
    """What begins as another type is refused before FAISS sees it."""
    others = {**whole, **{name: serialized(index) for name, index in other_types()}}
    contents = {
        f"{kind} that is {other}": content
        for kind in whole
        for other, content in others.items()
        if content[:4] != whole[kind][:4]
    }
    found = read_each(written(tmp_path, contents), MODULES)
    assert {read.outcome for read in found} == {"refused"}
    assert all("it begins with" in read.told for read in found)
    all_refused(written(tmp_path, {name: serialized(index) for name, index in other_parts()}), MODULES)


def serialized(index: faiss.Index) -> bytes:
    """The file of an index, trained and empty."""
    if not index.is_trained:
        index.train(vectors())
    return bytes(faiss.serialize_index(index))


def test_lists_in_another_file_are_neither_opened_nor_taken(whole: dict[str, bytes], tmp_path: Path) -> None:
    """FAISS would map any file that an index names, and even open it for writing."""
    index = faiss.deserialize_index(np.frombuffer(whole["ivf"], np.uint8))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, str(elsewhere / "lists"))
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists, False)
    content = bytes(faiss.serialize_index(index))
    trusted = faiss.deserialize_index(np.frombuffer(content, np.uint8))
    assert isinstance(faiss.downcast_InvertedLists(trusted.invlists), faiss.OnDiskInvertedLists)
    given = written(tmp_path / "far", {"ivf": content})
    (read,) = read_each(given, MODULES)
    assert read.outcome == "refused"
    assert "could not open" in read.told and str(elsewhere) not in read.told  # it was looked for beside the index
    (tmp_path / "far" / "lists").write_bytes((elsewhere / "lists").read_bytes())
    (read,) = read_each(given, MODULES)
    assert read.outcome == "refused" and "OnDiskInvertedLists" in read.told


def hostile(kind: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """An index with lengths, counts and numbers that it must not have."""
    yield f"{kind} cut", content[:-100]
    yield f"{kind} cut at its head", content[:60]
    count = struct.pack("<q", COUNT)  # of vectors, in the head
    for number in LARGE:
        yield f"{kind} of {number} vectors", content.replace(count, struct.pack("<q", number), 1)
    yield f"{kind} of a negative width", content[:4] + struct.pack("<i", -1) + content[8:]
    trained, at = struct.pack("<?i", True, 0), content.index(struct.pack("<?i", True, 0), 24)  # and the inner product
    for name, told in {"by another measure": (True, 1), "that is not trained": (False, 0)}.items():
        yield f"{kind} {name}", content[:at] + struct.pack("<?i", *told) + content[at + len(trained) :]


def bent(whole: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Indexes of the right types and sizes, with numbers in them that must not be."""
    for label, number in {"NaN": np.nan, "infinity": np.inf}.items():
        for kind in whole:
            index = faiss.deserialize_index(np.frombuffer(whole[kind], np.uint8))
            if kind in ("exact", "mapped", "hnsw"):
                flat = index if kind != "hnsw" else faiss.downcast_index(index.storage)
                faiss.rev_swig_ptr(flat.get_xb(), COUNT * DIMENSION)[-5] = number
            elif kind == "ivf":
                faiss.rev_swig_ptr(index.invlists.get_codes(0), 4).view(np.float32)[0] = number
            else:
                matrix = faiss.downcast_VectorTransform(index.chain.at(0)).A
                faiss.copy_array_to_vector(faiss.vector_to_array(matrix) * np.float32(number), matrix)
            yield f"{kind} with {label}", bytes(faiss.serialize_index(index))
    for number in (COUNT, -1, 2**62):
        for kind in ("ivf", "ivf-pq"):
            index = faiss.deserialize_index(np.frombuffer(whole[kind], np.uint8))
            lists = (index if kind == "ivf" else faiss.downcast_index(index.index)).invlists
            faiss.rev_swig_ptr(lists.get_ids(0), 1)[0] = number
            yield f"{kind} with the id {number}", bytes(faiss.serialize_index(index))


def test_wrong_counts_lengths_and_numbers_are_refused(
    whole: dict[str, bytes], tmp_path: Path, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    files = dict(bent(whole))
    for kind, content in whole.items():
        files |= dict(hostile(kind, content))
    given = [
        ("index", path) for _, path in written(tmp_path, {**files, "exact": whole["exact"]}) if path.name != "exact"
    ]
    record_figures("hostile-indexes", all_refused(given, MODULES))


def test_changed_files_never_end_the_process(
    whole: dict[str, bytes], tmp_path: Path, long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    """Read and searched, each answer of photos that there are, or refused."""
    chance, outcomes = random.Random(0), {"read": 0, "refused": 0}
    for _ in range(100 if long else 1):
        files = {
            f"{kind} {number}": changed(content, chance) for kind, content in whole.items() for number in range(30)
        }
        given = written(tmp_path, {**files, "exact": whole["exact"]})[:-1]
        for (_, path), read in zip(given, read_each(given, MODULES), strict=True):
            assert read.outcome in outcomes and read.megabytes < 500, (path.name, read)
            outcomes[read.outcome] += 1
    assert min(outcomes.values()) > 10
    record_figures("changed-indexes", outcomes)


def changed(content: bytes, chance: random.Random) -> bytes:
    """An index with one to three numbers replaced, most of them where its structure is."""
    marks = [place for name in (b"Ix", b"Iw", b"IH", b"il", b"LT") if (place := content.find(name)) >= 0]
    data = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        near = chance.random() < 0.7
        place = chance.choice(marks) + chance.randrange(150) if near else chance.randrange(len(data))
        number = struct.pack("<q", chance.choice(LARGE))[: chance.choice((1, 4, 8))]
        data[place : place + len(number)] = number
    return bytes(data[: len(content)])


def test_an_index_that_grows_beyond_a_gigabyte_of_nothing_is_refused_by_its_size(tmp_path: Path) -> None:
    """A length that fits into memory is no reason to take it: the file does not hold so much."""
    with (tmp_path / "exact").open("wb") as file:
        FlatIndex.build(vectors(), "cpu").write(file.write)
    content = bytearray((tmp_path / "exact").read_bytes())
    numbers = struct.pack("<Q", COUNT * DIMENSION)
    place = content.index(numbers)
    content[place : place + 8] = struct.pack("<Q", 300_000_000)
    content[8:16] = struct.pack("<q", 300_000_000 // DIMENSION)
    all_refused(written(tmp_path / "grown", {"exact": bytes(content)}), MODULES)
