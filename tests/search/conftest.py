"""A real version into which tests put catalogs of their own."""

from __future__ import annotations

import pytest

from catalog.config import ScanConfig
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from index.loading import LoadedVersion, load_current
from tests.conftest import draw_photo
from tests.small_run import leave_run


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    """A version, to put other photos and vectors into."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "photos").mkdir()
    draw_photo(0).save(folder / "photos" / "0.png")
    store = Store(folder / "store")
    scan(ScanConfig(catalog=folder / "photos", store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return load_current(store, "cpu")
