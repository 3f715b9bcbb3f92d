"""A new version is taken up while serving; a damaged one is not, and that is said."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from index.build import build_version
from index.config import IndexConfig
from search.service import SearchService
from ui.watch import VersionWatch


def test_takes_up_a_new_version_and_refuses_a_damaged_one(own_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ui.watch")
    service = SearchService.open(own_store, device="cpu")
    watch = VersionWatch(service, every=60)
    words = [watch.readiness]
    first = service.version.id
    watch.look()
    words.append(watch.readiness)
    assert words == ["starting", "ready"] and service.version.id == first

    build_version(IndexConfig(store=own_store, encoder="imagenet", device="cpu"))
    watch.look()
    second = service.version.id
    assert str(watch.readiness) == "ready" and second != first
    assert f"now serving version {second}" in caplog.text

    third = build_version(IndexConfig(store=own_store, encoder="imagenet", device="cpu")).version.id
    index = own_store / "versions" / third / "index.faiss"
    whole = index.read_bytes()
    index.write_bytes(whole[:-1])
    for _ in range(3):
        watch.look()
    assert str(watch.readiness) == "degraded" and service.version.id == second
    complaints = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(complaints) == 1 and second in complaints[0].getMessage()

    index.write_bytes(whole)
    watch.look()
    assert str(watch.readiness) == "ready" and service.version.id == third
