"""What `lookalike serve` accepts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from catalog.errors import UsageError
from ui.config import ServeConfig


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"port": 70000}, "70000"),
        ({"port": -1}, "-1"),
        ({"poll_seconds": 0}, "--poll-seconds"),
        ({"host": "0.0.0.0"}, "--allowed-hosts 192.168.1.20"),
        ({"allowed_hosts": ("http://shop.example",)}, "http://shop.example"),
        ({"allowed_hosts": ("*",)}, '"*"'),
        ({"allowed_hosts": ("",)}, '""'),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        ServeConfig(**given)
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_addresses() -> None:
    assert ServeConfig().address(7860) == "http://127.0.0.1:7860"
    assert ServeConfig(host="::1").address(80) == "http://[::1]:80"
    everywhere = ServeConfig(host="0.0.0.0", allowed_hosts=("*.shop.example", "192.168.1.20"))
    assert everywhere.address(7860) == "http://192.168.1.20:7860"
    assert everywhere.accepted_hosts == ("127.0.0.1", "localhost", "[::1]", "*.shop.example", "192.168.1.20")


def test_importing_it_is_light() -> None:
    code = (
        "import sys, ui.config; print([m for m in ('gradio', 'torch', 'faiss', 'fastapi', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
