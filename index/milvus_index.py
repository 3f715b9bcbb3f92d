"""The vectors of a catalog in a collection of Milvus; see `VectorIndex`.

Each build has a collection of its own, so that readers of one version never see another's photos; an alias names the
one in use for whoever else asks the server. The field `columns` holds a photo's columns as JSON: see
index/milvus_filter.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from catalog.errors import EngineError, PromiseError
from catalog.progress import progress
from catalog.where import rows_where
from index.approximate import TUNED_FOR
from index.config import IndexChoice
from index.milvus import BUILD_SECONDS, MOST_HITS, SEARCH_SECONDS, WRITE_SECONDS, Milvus
from index.milvus_filter import FIELD, json_columns, milvus_filter
from index.promised_index import PromisedIndex, promised
from index.settings import Parameters, Settings, everywhere
from index.vector_index import Hits, hits_of, part_found
from index.vectors import Blocks, Floats, Ids, first_of_each
from index.versions import FileFacts

BATCH = 1000
"""Photos that are sent, or asked for, together."""
POLL_SECONDS = 0.2
RELOADS = 50
"""How often loading is tried."""
LINKS, EF_CONSTRUCTION = 32, 200
MOST_TUNINGS = 3
"""A server may compact what it has, and build its index anew, at any time: then what was tuned is not what is there."""
MOST_TEXT = 65_535
"""Bytes of an item_id, and of a photo's columns as JSON, that Milvus takes."""
MOST_EF = 32_768
"""Milvus takes no larger one."""
START = everywhere({"ef": 64})
FURTHER, FAR = 8, 2048
"""Times as far as tuned, and how far at least, a walk goes under a condition: what meets it may be far from the query.
Where a tenth of 100,000 photos meet it, 0.66 of the nearest were found by what was tuned without; to look so far takes
little longer, since most of the time goes into asking each photo's columns (benchmarks/engines.py)."""


class MilvusIndex:
    """A collection. Make a new one with `create`; with the constructor, look at one that is there.

    Attributes:
        collection: its name.
        dimension: D, the width of the vectors.
        settings: how far a search looks; None where every vector is compared.
        files: none.
    """

    def __init__(
        self, server: Milvus, collection: str, schema: pa.Schema, dimension: int, settings: Settings | None = None
    ) -> None:
        """`schema`: of the photos' table, by which conditions are understood."""
        self._server, self.collection, self.dimension, self.settings = server, collection, dimension, settings
        self.schema = schema
        self._exact = settings is None
        self.files: dict[str, FileFacts] = {}
        self._patience = SEARCH_SECONDS
        self._sent: list[tuple[Ids, Floats]] | None = None

    @classmethod
    def create(
        cls, server: Milvus, collection: str, schema: pa.Schema, dimension: int, *, exact: bool = False
    ) -> MilvusIndex:
        """An empty collection; one of this name, which a killed build has left, is dropped.

        Args:
            exact: compare every vector (FLAT), else walk a graph (HNSW).
        """
        from pymilvus import DataType, MilvusClient

        fields = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        fields.add_field("image_id", DataType.INT64, is_primary=True)
        fields.add_field("item_id", DataType.VARCHAR, max_length=MOST_TEXT)
        fields.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        fields.add_field(FIELD, DataType.JSON)
        indexes = MilvusClient.prepare_index_params()
        graph = {"M": LINKS, "efConstruction": EF_CONSTRUCTION}
        kind = {"index_type": "FLAT"} if exact else {"index_type": "HNSW", "params": graph}
        indexes.add_index("vector", metric_type="IP", **kind)
        server.call("drop_collection", collection, seconds=WRITE_SECONDS)
        server.call(
            "create_collection",
            collection,
            schema=fields,
            index_params=indexes,  # with one, it is loaded at once, and what is sent can be searched
            consistency_level="Bounded",
            seconds=WRITE_SECONDS,
        )
        made = cls(server, collection, schema, dimension, None if exact else START)
        made._sent = []
        return made

    def upsert(self, photos: pa.Table, vectors: Floats) -> None:
        """Send photos, see `VectorIndex.upsert`; each batch is acknowledged, and kept by the server from then on."""
        ids = np.array(photos["image_id"].to_pylist(), np.int64)
        for start in progress(
            range(0, len(ids), BATCH), total=-(-len(ids) // BATCH), description="sending", unit="batches"
        ):
            part = photos.slice(start, BATCH)
            rows = zip(ids[start:], part["item_id"].to_pylist(), vectors[start:], json_columns(part), strict=False)
            sent = [
                {"image_id": int(image_id), "item_id": item_id, "vector": vector, FIELD: columns}
                for image_id, item_id, vector, columns in rows
            ]
            _check_sizes(sent)
            self._server.call("upsert", self.collection, sent, seconds=WRITE_SECONDS)
        known = self._sent is not None and not any(np.isin(ids, before).any() for before, _ in self._sent)
        self._sent = [*(self._sent or []), (ids, vectors)] if known else None

    def delete(self, image_ids: Ids) -> None:
        """Remove photos by their ids."""
        self._sent = None
        for start in range(0, len(image_ids), BATCH):
            ids = [int(image_id) for image_id in image_ids[start : start + BATCH]]
            self._server.call("delete", self.collection, ids=ids, seconds=WRITE_SECONDS)

    def count(self) -> int:
        """How many photos there are, all that was acknowledged included."""
        found = self._server.call(
            "query", self.collection, filter="", output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(found[0]["count(*)"])

    def search(
        self, queries: Floats, k: int, where: str = "", *, by_product: bool = False, strong: bool = False
    ) -> Hits:
        """The k photos most similar to each query, see `VectorIndex.search`."""
        rows_where(where or "True", self.schema.empty_table())  # or it cannot be understood
        condition = milvus_filter(where, self.schema)
        if condition is None:
            raise EngineError(
                f"Milvus cannot search by text within text, decimal numbers, or one column against another; received "
                f'{where[:80]}: compare columns with values by ==, <, in ("…", "…")'
            )
        if not by_product:
            return self.hits(queries, k, condition, strong=strong)
        first = self._first_of_products(self.hits(queries, k, condition, by_product=True, strong=strong), k)
        fetch = k
        while (first.counts < k).any() and fetch < MOST_HITS:  # it does not group, or groups only what it came across
            fetch = min(MOST_HITS, 4 * fetch)
            hits = self.hits(queries, fetch, condition, strong=strong)
            first = self._first_of_products(hits, k)
            if (hits.counts < fetch).all():
                break
        return first

    def hits(
        self, queries: Floats, k: int, condition: str = "", *, by_product: bool = False, strong: bool = False
    ) -> Hits:
        """The same by a filter of Milvus; `by_product` is only a wish, which servers before 2.4 do not hear."""
        found: list[tuple[list[int], list[float]]] = [([], [])] * len(queries)
        groups = self.settings.groups(queries) if self.settings else [(np.arange(len(queries)), {})]
        for rows, parameters in groups:
            ask = partial(
                self._server.search,
                self.collection,
                k=k,
                where=condition,
                group="item_id" if by_product else "",
                level="Strong" if strong else "Bounded",
                seconds=self._patience,
            )
            answers = ask(queries=queries[rows], parameters=_far(parameters, k, under_condition=bool(condition)))
            if parameters and any(len(ids) < k for ids, _ in answers):  # the walk ended early, or there are no more
                answers = ask(queries=queries[rows], parameters={"ef": MOST_EF})
            for row, answer in zip(rows, answers, strict=True):
                found[row] = answer
        return hits_of(found)

    def vectors(self, image_ids: Ids) -> Floats:
        """The vectors of some photos, float32 (n, D).

        Raises:
            EngineError: one of them is not there.
        """
        found = np.empty((len(image_ids), self.dimension), np.float32)
        for start in range(0, len(image_ids), BATCH):
            ids = [int(image_id) for image_id in image_ids[start : start + BATCH]]
            rows = self._server.call("get", self.collection, ids=sorted(set(ids)), output_fields=["image_id", "vector"])
            by_id = {row["image_id"]: row["vector"] for row in rows}
            missing = [image_id for image_id in ids if image_id not in by_id]
            if missing:
                raise EngineError(
                    f'the collection {self.collection} must hold photo {missing[0]}; it does not: run "lookalike index"'
                )
            found[start : start + len(ids)] = [by_id[image_id] for image_id in ids]
        return found

    def measure_recall(self, queries: Floats, k: int) -> float:
        """Part of the true k nearest that a search finds, see `VectorIndex.measure_recall`."""
        best = np.full((len(queries), k), -np.inf, np.float32)
        for _, vectors in self._everything():
            both = np.concatenate([best, queries @ vectors.T], axis=1)
            best = -np.sort(-both, axis=1)[:, :k]
        return part_found(self.search(queries, k, strong=True), best)

    def publish(self, blocks: Blocks, choice: IndexChoice) -> PromisedIndex:
        """Build the index, wait until all of it is built, and tune it, see `VectorIndex.publish`."""
        from index.milvus_photos import MilvusPhotos  # which imports this module

        ids, vectors = self._all_vectors()
        self.finish()
        self._patience = WRITE_SECONDS  # tuning asks many queries at once, and looks far
        photos = MilvusPhotos(self, ids, None if self._exact else START)
        for _ in range(MOST_TUNINGS):
            built = promised(photos, vectors, blocks, choice)
            if built.recall >= choice.recall:
                return built
        raise PromiseError(
            f"an index must find {choice.recall:g} of the true nearest 10; it finds {built.recall:.4g} even when tuned "
            f"{MOST_TUNINGS} times, for {self._server.place} goes on changing it: wait, and index again"
        )

    def finish(self) -> None:
        """Make the server write down what it has, index it, and search it by that; for a collection nobody reads yet.

        Raises:
            EngineError: it does not come to an end.
        """
        self._server.call("flush", self.collection, seconds=BUILD_SECONDS)
        deadline = time.monotonic() + BUILD_SECONDS
        while not self._is_built():
            if time.monotonic() > deadline:
                raise EngineError(f"{self._server.place} must end its index within a day; it did not: look at its log")
            time.sleep(POLL_SECONDS)
        self._reload()

    def _reload(self) -> None:
        """Or it would go on comparing every vector, and search by the index some time later."""
        self._server.call("release_collection", self.collection, seconds=BUILD_SECONDS)
        for _ in range(RELOADS):
            with suppress(EngineError):  # Milvus Lite may still be writing the files that it is to load
                self.load()
                return
            time.sleep(POLL_SECONDS)
        self.load()

    def load(self) -> None:
        """Load it into the server's memory, where it may be searched; at once where it is there."""
        self._server.call("load_collection", self.collection, seconds=BUILD_SECONDS)

    def check(self) -> None:
        """Whether it can be searched now; after a server's restart it is loaded into its memory again.

        Raises:
            EngineError: the server does not answer, or has it not, or not yet in its memory.
        """
        self._server.check_collection(self.collection)
        state = self._server.call("get_load_state", self.collection)["state"]
        if state.name != "Loaded":
            self._server.call("load_collection", self.collection)

    def drop(self) -> None:
        """Remove the collection."""
        self._server.call("drop_collection", self.collection, seconds=WRITE_SECONDS)

    def _is_built(self) -> bool:
        """A server calls an index finished while rows still wait for it: those are counted, too."""
        (name,) = self._server.call("list_indexes", self.collection)
        facts = self._server.call("describe_index", self.collection, name)
        if facts["state"] == "Failed":
            raise EngineError(f"{self._server.place} could not build its index: {facts.get('index_state_fail_reason')}")
        return facts["state"] == "Finished" and int(facts["pending_index_rows"]) == 0

    def _first_of_products(self, hits: Hits, k: int) -> Hits:
        """Of each product its first photo, at most k of them."""
        ids = np.unique(hits.image_ids[hits.image_ids >= 0])
        product_of: dict[int, str] = {}
        for start in range(0, len(ids), BATCH):
            wanted = [int(image_id) for image_id in ids[start : start + BATCH]]
            rows = self._server.call("get", self.collection, ids=wanted, output_fields=["image_id", "item_id"])
            product_of |= {row["image_id"]: row["item_id"] for row in rows}
        found = []
        for row, count in enumerate(hits.counts):
            products = [product_of.get(image_id, "") for image_id in hits.image_ids[row, :count].tolist()]
            places = first_of_each(np.array(products, object), k)
            found.append((hits.image_ids[row, places].tolist(), hits.similarities[row, places].tolist()))
        return hits_of(found)

    def _all_vectors(self) -> tuple[Ids, Floats]:
        """Every photo's id, ascending, and vector: those that were sent, or else all that the server has."""
        parts = self._sent or list(self._everything())
        ids = np.concatenate([part for part, _ in parts]) if parts else np.zeros(0, np.int64)
        vectors = parts[0][1] if len(parts) == 1 else np.concatenate([part for _, part in parts])
        order = np.argsort(ids)
        return (ids, vectors) if (order[1:] > order[:-1]).all() else (ids[order], vectors[order])

    def _everything(self) -> Iterator[tuple[Ids, Floats]]:
        """All ids and vectors on the server, in batches."""
        pages = self._server.call(
            "query_iterator",
            self.collection,
            batch_size=BATCH,
            output_fields=["image_id", "vector"],
            consistency_level="Strong",
            seconds=WRITE_SECONDS,
        )
        try:
            while rows := self._server.asked(pages.next):
                ids = np.array([row["image_id"] for row in rows], np.int64)
                yield ids, np.array([row["vector"] for row in rows], np.float32)
        finally:
            pages.close()


def _far(parameters: Parameters, k: int, *, under_condition: bool) -> dict[str, int]:
    """As far as was tuned, for fewer answers, too, and further for more; Milvus takes no ef below k."""
    far = {name: max(value, 2 * max(k, TUNED_FOR)) for name, value in parameters.items()}
    if under_condition:
        far = {name: max(FAR, FURTHER * value) for name, value in far.items()}
    return {name: min(MOST_EF, value) for name, value in far.items()}


def _check_sizes(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for name, text in (("item_id", row["item_id"]), (FIELD, json.dumps(row[FIELD], ensure_ascii=False))):
            size = len(text.encode())
            if size > MOST_TEXT:
                raise EngineError(
                    f"Milvus takes at most {MOST_TEXT:,} bytes as a photo's {name}; photo {row['image_id']} has "
                    f"{size:,}: leave long columns out of the catalog's table"
                )
