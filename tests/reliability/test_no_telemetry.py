"""No outgoing connection: ONNX Runtime (1.29 and newer), which by default collects what it is used for in the user's
cache folder and sends it to its maker, does neither here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.small_run import exported_encoder

ROOT = Path(__file__).parents[2]
SUPPRESSING = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
"""What would keep it quiet whatever we do."""


def test_an_encoder_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = (
        "import pathlib, numpy, sys; from index.embedder import OnnxNetwork\n"
        "OnnxNetwork(pathlib.Path(sys.argv[1]))(numpy.zeros((1, 64, 64, 3), numpy.uint8))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SUPPRESSING}
    places = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    subprocess.run(
        [sys.executable, "-B", "-c", code, str(exported_encoder() / "encoder.onnx")],
        cwd=ROOT,
        env={**environment, **places},
        check=True,
    )
    assert not list(tmp_path.iterdir())
