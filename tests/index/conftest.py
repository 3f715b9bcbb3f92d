"""The engines that are here: FAISS, a file of Milvus Lite, and the real server where `make test-milvus` has one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from benchmarks.milvus_server import PYTHON, milvus_server
from index.engines import Engine
from index.faiss_engine import FaissIndex
from index.milvus import connect
from index.milvus_index import MilvusIndex
from index.vector_index import VectorIndex

MILVUS = ("milvus-lite", *(["milvus"] if PYTHON else []))

MakeIndex = Callable[[pa.Schema, int], VectorIndex]


@pytest.fixture(scope="session")
def server_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real server; one for all tests."""
    with milvus_server("milvus", tmp_path_factory.mktemp("milvus")) as server:
        yield Engine(milvus=server.url)


@pytest.fixture(scope="module", params=MILVUS)
def milvus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine of Milvus."""
    if request.param == "milvus":
        engine: Engine = request.getfixturevalue("server_engine")
        return engine
    return Engine(milvus=str(tmp_path_factory.mktemp("lite") / "vectors.db"))


@pytest.fixture(scope="module", params=("faiss", *MILVUS))
def make_index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeIndex]:
    """Makes empty indexes for a table's schema and a width of vectors; they are gone afterwards."""
    made: list[MilvusIndex] = []
    places = {"milvus-lite": Engine(milvus=str(tmp_path_factory.mktemp("lite") / "vectors.db")), "faiss": Engine()}
    engine = places.get(request.param) or request.getfixturevalue("server_engine")

    def make(schema: pa.Schema, dimension: int) -> VectorIndex:
        if not engine.milvus:
            return FaissIndex(tmp_path_factory.mktemp("faiss"), schema, dimension)
        made.append(MilvusIndex.create(connect(engine, new=True), f"test_{uuid.uuid4().hex}", schema, dimension))
        return made[-1]

    yield make
    for index in made:
        index.drop()
