"""The engines that are here: FAISS, Milvus Lite, and the Milvus server that LOOKALIKE_MILVUS names."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from index.engines import Engine
from index.faiss_engine import FaissIndex
from index.milvus import connect
from index.milvus_index import MilvusIndex
from index.vector_index import VectorIndex

SERVER = os.environ.get("LOOKALIKE_MILVUS", "")
"""Address of a Milvus server, such as http://127.0.0.1:19530."""
NAMES = ("faiss", "milvus-lite", *(["milvus-server"] if SERVER else []))

MakeIndex = Callable[[pa.Schema, int], VectorIndex]


def engine_called(name: str, folder: Path) -> Engine:
    """The engine of one of the NAMES."""
    places = {"faiss": "", "milvus-lite": str(folder / "vectors.db"), "milvus-server": SERVER}
    return Engine(milvus=places[name])


@pytest.fixture(scope="module", params=NAMES)
def make_index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeIndex]:
    """Makes empty indexes for a table's schema and a width of vectors; they are gone afterwards."""
    engine = engine_called(request.param, tmp_path_factory.mktemp("engine"))
    made: list[MilvusIndex] = []

    def make(schema: pa.Schema, dimension: int) -> VectorIndex:
        if not engine.milvus:
            return FaissIndex(tmp_path_factory.mktemp("faiss"), schema, dimension)
        made.append(MilvusIndex.create(connect(engine), f"test_{uuid.uuid4().hex}", schema, dimension))
        return made[-1]

    yield make
    for index in made:
        index.drop()
