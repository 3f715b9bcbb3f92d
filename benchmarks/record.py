"""Dated records of measurements: what was run, on what machine, with which versions."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "torchvision", "onnxruntime", "faiss-gpu", "faiss-cpu", "gradio", "pillow", "numpy", "timm")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except ImportError:
            continue
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def write_record(name: str, figures: dict[str, Any]) -> Path:
    """Write `results/<date>-<name>.json`; returns its path."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y-%m-%d}-{name}.json"
    record = {"name": name, "date": now.isoformat(timespec="seconds"), "machine": machine(), "figures": figures}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path
