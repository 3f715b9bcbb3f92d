"""Each test here shows one promise of docs/reliability.md: a short, seeded slice in `make test`, all of it in
`make test-long`, which also records the figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.record import write_record


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long version."""
    return bool(request.config.getoption("--long"))


@pytest.fixture
def record_figures(long: bool) -> Callable[[str, dict[str, Any]], None]:
    """Keeps what a long version found, as `benchmarks/results/<date>-reliability-<name>.json`."""

    def record(name: str, figures: dict[str, Any]) -> None:
        if long:
            write_record(f"reliability-{name}", figures)

    return record
