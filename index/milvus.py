"""A Milvus server, or a file of Milvus Lite, as one object: what is asked of it, with limits of time and clear errors.

pymilvus tries again, with longer and longer pauses, until the limit is reached: then the engine counts as down.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from catalog.errors import EngineError, printable
from index.engines import TOKEN, Engine
from index.vectors import Floats

SEARCH_SECONDS = 5.0
"""For an answer to a search or a look at what there is."""
WRITE_SECONDS = 60.0
"""For one batch of photos to be acknowledged."""
BUILD_SECONDS = 24 * 3600.0
"""For an index to be built, or loaded into the memory of the server."""
MOST_HITS = 16_384
"""Of one search; Milvus takes no larger k."""

T = TypeVar("T")


class Milvus:
    """What is asked of one server; safe to use from several threads. Make one with `connect`.

    Attributes:
        place: its engine, as people write it.
    """

    def __init__(self, client: Any, place: str) -> None:
        self._client, self.place = client, place

    def call(self, name: str, *args: Any, seconds: float = SEARCH_SECONDS, **kwargs: Any) -> Any:
        """Call a method of pymilvus's MilvusClient.

        Raises:
            EngineError: the server did not answer in time, or refused.
        """
        return _asked(self.place, lambda: getattr(self._client, name)(*args, timeout=seconds, **kwargs))

    def asked(self, ask: Callable[[], T]) -> T:
        """What a function gives that asks the server by itself; errors as of `call`."""
        return _asked(self.place, ask)

    def search(
        self,
        collection: str,
        queries: Floats,
        k: int,
        parameters: dict[str, int],
        *,
        where: str,
        group: str,
        level: str,
        seconds: float,
    ) -> list[tuple[list[int], list[float]]]:
        """Ids and similarities of each query's k nearest, at most MOST_HITS.

        Args:
            where: a filter of Milvus; empty for all.
            group: the field of which each value is wanted once only; empty for none.
            level: of consistency, such as "Bounded".
        """
        options: dict[str, Any] = {"group_by_field": group} if group else {}
        found = self.call(
            "search",
            collection,
            data=list(queries),
            limit=min(k, MOST_HITS),
            filter=where,
            output_fields=["image_id"],
            search_params={"metric_type": "IP", "params": parameters},
            consistency_level=level,
            seconds=seconds,
            **options,
        )
        return [([int(hit["entity"]["image_id"]) for hit in hits], [hit["distance"] for hit in hits]) for hits in found]

    def check_collection(self, collection: str) -> None:
        """Be sure that there is a collection.

        Raises:
            EngineError: there is not.
        """
        if not self.call("has_collection", collection):
            raise EngineError(
                f"{self.place} must have the collection {collection}; it has not: "
                'run "lookalike rollback" or "lookalike index"'
            )

    def collections(self, prefix: str) -> Sequence[str]:
        """The names of all collections that begin so."""
        return sorted(name for name in self.call("list_collections") if name.startswith(prefix))


def connect(engine: Engine, *, new: bool = False) -> Milvus:
    """The server of an engine; connections are kept for as long as the process lives.

    Args:
        new: a file of Milvus Lite need not be there yet.

    Raises:
        EngineError: it does not answer, or pymilvus is not installed.
    """
    if not new and _is_lite(engine) and not Path(engine.milvus).exists():
        raise EngineError(
            f'{printable(engine.milvus)} must be there; it is not: restore it, or run "lookalike rollback" or '
            '"lookalike index"'
        )
    with _connecting:
        return _connected(engine, os.environ.get(TOKEN, ""))


def check_engine(engine: Engine, collection: str = "") -> None:
    """Whether an engine answers, before long work for it is begun; and, where one is named, has a collection.

    Raises:
        EngineError: it does not, or has not.
    """
    if engine.milvus:
        server = connect(engine, new=not collection)
        server.collections("")  # a connection may have been made before the server went away
        if collection:
            server.check_collection(collection)


_connecting = threading.Lock()


@cache
def _connected(engine: Engine, token: str) -> Milvus:
    try:
        from pymilvus import MilvusClient  # takes a second, and is an extra
    except ImportError:
        raise EngineError(
            f"--engine {engine} needs pymilvus, which is not installed: in lookalike's folder, pip install '.[milvus]'"
        ) from None
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it would print each error with its traceback
    for name in ("milvus_lite", "grpc._server"):  # Milvus Lite answers in this process, and lacks some of the calls
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address: dict[str, Any] = {"uri": engine.milvus, "token": token}
    if _is_lite(engine):
        address = {"uri": _lite_file(engine)}
    client = _asked(str(engine), lambda: MilvusClient(**address, timeout=SEARCH_SECONDS))
    return Milvus(client, str(engine))


def _is_lite(engine: Engine) -> bool:
    return not engine.milvus.startswith(("http://", "https://"))


def _lite_file(engine: Engine) -> str:
    """The file of Milvus Lite, whose folder must be there."""
    file = Path(engine.milvus)
    if not file.parent.is_dir():
        raise EngineError(f"the folder of {printable(str(file))} must be there: make it first")
    return str(file)


def _asked(place: str, ask: Callable[[], T]) -> T:
    import grpc
    from pymilvus import MilvusException

    try:
        return ask()
    except (MilvusException, grpc.RpcError, OSError) as error:
        told = " ".join(str(getattr(error, "message", "") or error).split())[:300]
        raise EngineError(
            f"{place} must answer; it says: {printable(told)}: start it (of a file: end whoever else has it open), "
            'or leave it by "lookalike index --engine faiss" or "lookalike rollback"'
        ) from None
