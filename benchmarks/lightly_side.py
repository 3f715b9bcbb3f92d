"""lightly's own SimCLR, timed: the peer's side of `benchmarks.training`, which runs this file by another Python.

It is lightly's example (docs.lightly.ai/examples/simclr.html) over a folder of JPEG files, in float32: SimCLRTransform
at its defaults, ResNet-18, a projection head 512-512-128, NT-Xent, SGD at 0.06. The example's 8 loader workers are
limited to the cores. Imports nothing of this project.

    PYTHON -P benchmarks/lightly_side.py FOLDER BATCH THREADS

First line out: its versions, as JSON. Then for each line in, "SIDE WARM STEPS": trains a new network on views of that
side, and answers with the views/s of STEPS steps after the first WARM ones.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version

import torch
import torchvision
from lightly.data import LightlyDataset  # type: ignore[import-not-found]
from lightly.loss import NTXentLoss  # type: ignore[import-not-found]
from lightly.models.modules import SimCLRProjectionHead  # type: ignore[import-not-found]
from lightly.transforms.simclr_transform import SimCLRTransform  # type: ignore[import-not-found]
from torch import Tensor, nn
from torch.utils.data import DataLoader

EXAMPLES_WORKERS = 8


class SimCLR(nn.Module):
    """ResNet-18 without its classifier, and lightly's projection head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
        self.projection_head = SimCLRProjectionHead(512, 512, 128)

    def forward(self, images: Tensor) -> Tensor:
        """Project (B, 3, V, V) to (B, 128)."""
        return self.projection_head(self.backbone(images).flatten(start_dim=1))  # type: ignore[no-any-return]


def views_per_second(folder: str, batch: int, workers: int, side: int, warm: int, steps: int) -> float:
    """Train for warm + steps steps and time the latter.

    The folder has to hold more photos than that: at the end of an epoch the loader's workers have no more to do, and a
    step is quicker.
    """
    model = SimCLR()
    dataset = LightlyDataset(folder, transform=SimCLRTransform(input_size=side))
    loader = DataLoader(dataset, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers)
    criterion = NTXentLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
    begun = 0.0
    for done, ((first, second), _, _) in enumerate(loader, start=1):
        loss = criterion(model(first), model(second))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if done == warm:
            begun = time.perf_counter()
        if done == warm + steps:
            break
    return 2 * batch * steps / (time.perf_counter() - begun)


def main() -> None:
    """Answer the measurements asked for on stdin."""
    folder, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    workers = min(EXAMPLES_WORKERS, len(os.sched_getaffinity(0)))
    versions = {"lightly": version("lightly"), "torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({**versions, "loader_workers": workers}), flush=True)
    for line in sys.stdin:
        side, warm, steps = (int(word) for word in line.split())
        print(views_per_second(folder, batch, workers, side, warm, steps), flush=True)


if __name__ == "__main__":
    main()
