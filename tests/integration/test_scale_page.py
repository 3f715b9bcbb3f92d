"""docs/scale.md is what the newest records say."""

from __future__ import annotations

from benchmarks.scale_page import PAGE, page


def test_the_page_is_what_the_records_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m benchmarks.scale_page"
