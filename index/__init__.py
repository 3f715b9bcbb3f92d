"""Vectors and versions: embed photos, build a FAISS index, publish it whole, load it again."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # must stand before ONNX Runtime is imported, which from 1.29 on reports home
