"""kill -9 at any moment of scan, train, index (embed, build, publish) and sync loses nothing acknowledged.

Each command is killed at random moments on small real stores: after a random time, or before or during one of the
operations by which it changes a file; some of them as whole processes, most as forked children of one that has
everything imported (tests/reliability/warm_process.py). After each kill the store must be whole and hold what the
command had said; it is then killed again or run to its end, and the end must be that of a command never killed, with
no file left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.main_job import COMMAND
from catalog.known_files import read_known_files
from catalog.manifest import Manifest
from catalog.quarantine import read_quarantine
from catalog.store import Store
from index.loading import load_version
from index.versions import current_id, version_folders
from tests.conftest import draw_photo
from tests.reliability.warm_process import ROOT, Ended, Warm
from training.checkpoint import load_checkpoint
from training.runs import Run, all_runs
from training.state import load_resume

PHOTOS, BATCH = 12, 6
UNCHECKED = 7
"""So few that a first version's encoder is not held against its start, whose export takes long."""
SEEDS, KILLS = (0, 1), 1000
"""Two halves, which may run beside each other."""
OFTEN = {"first scan": 20, "scan": 20, "train": 14, "index": 18, "sync": 20}
"""How often each command is drawn, in proportion."""
RARELY = {"index, with the export": 1, "index --encoder imagenet": 1}
"""Those that take long, in the long version only."""
WHOLE = 10
"""Every so many rounds kill whole processes, the others forked children."""
LATEST = 0.005
"""Seconds from the beginning of an operation on a file to a kill in it."""
MOST_IN_A_ROW = 4
"""Kills before a command may run to its end."""
TIMES = ("step_seconds", "views_per_second")
TRAINING = (
    *("--encoder", "resnet10_narrow", "--weights", "none", "--epochs", "2", "--batch-size", str(BATCH), "--image-size"),
    *("32", "--pixels-side", "32", "--projection-dim", "8", "--views.size", "32", "--device", "cpu"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a store holds, apart from times and the numbers of its versions."""

    photos: Mapping[str, Any]
    left_out: Sequence[Any]
    runs: Mapping[str, Any]
    """Their encoders and numbers, by name."""
    version: tuple[str, str]
    """Encoder and catalog of the one in use; a command that was killed after it had published publishes again."""
    vectors: np.ndarray[Any, np.dtype[np.float32]]
    """Of the version in use, (N, D); empty where there is none."""
    files: frozenset[str]

    def assert_like(self, other: Content) -> None:
        """All is equal; vectors but for the rounding of batches that were cut otherwise."""
        for name in ("photos", "left_out", "runs", "version", "files"):
            assert getattr(self, name) == getattr(other, name)
        assert np.allclose(self.vectors, other.vectors, atol=1e-5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A command, the store it is run on, and what it comes to when it is never killed."""

    before: Path
    arguments: tuple[str, ...]
    whole: Ended
    content: Content


class Stage:
    """Where the commands are run: one store, put back for each round, and a folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "store"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # sums in the same order everywhere
        self.environment = {**os.environ, **threads, "TMPDIR": str(self.temporary)}
        self.warm = Warm(folder, self.environment)
        self._process_seconds: dict[tuple[str, ...], float] = {}

    def put(self, before: Path) -> None:
        """Make the store what it is at the beginning of a scene."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()
        if before.exists():
            shutil.copytree(before, self.root)

    def run(self, *arguments: str | Path) -> Ended:
        """A command that is not killed."""
        ended = self.warm.run([*map(str, arguments), "--store", str(self.root)])
        assert ended.code in (0, 3), ended.said
        return ended

    def kept(self, name: str) -> Path:
        """A copy of the store as it is."""
        shutil.copytree(self.root, self.folder / name)
        return self.folder / name

    def scene(self, before: Path, *arguments: str | Path) -> Scene:
        """Run a command on a store, never killed."""
        self.put(before)
        whole = self.run(*arguments)
        return Scene(before=before, arguments=tuple(map(str, arguments)), whole=whole, content=read_content(self.root))

    def process_seconds(self, scene: Scene) -> float:
        """How long its command takes as a whole process; tried once."""
        if scene.arguments not in self._process_seconds:
            self.put(scene.before)
            self._process_seconds[scene.arguments] = self.whole_process(scene.arguments, after=600).seconds
            self.put(scene.before)
        return self._process_seconds[scene.arguments]

    def whole_process(self, arguments: Sequence[str], after: float) -> Ended:
        """A command in a process of its own, killed with all that it started after so many seconds."""
        said, begun = self.folder / "said", time.monotonic()
        with said.open("w") as file:
            line = [*COMMAND, *arguments, "--store", str(self.root)]
            process = subprocess.Popen(line, cwd=ROOT, env=self.environment, stdout=file, stderr=file, process_group=0)
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
        return Ended(code=process.returncode, seconds=time.monotonic() - begun, said=said.read_text())

    def killed(self, arguments: Sequence[str], scene: Scene, whole: bool, random: np.random.Generator) -> Ended:
        """A command, killed at a random moment of its length."""
        if whole:
            return self.whole_process(arguments, float(random.uniform(0, self.process_seconds(scene))))
        line = [*arguments, "--store", str(self.root)]
        if random.random() < 0.5:
            return self.warm.run(line, after=float(random.uniform(0, scene.whole.seconds)))
        late = float(random.choice([0.0, random.uniform(0, LATEST)]))
        return self.warm.run(line, at_operation=int(random.integers(scene.whole.operations)), late=late)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    with made.warm:
        yield made


@pytest.fixture(scope="module")
def scenes(stage: Stage, request: pytest.FixtureRequest) -> dict[str, Scene]:
    """Every scene by its name."""
    long = request.config.getoption("--long")
    photos, changing = stage.folder / "photos", stage.folder / "changing photos"
    for folder, count in ((photos, PHOTOS), (changing, UNCHECKED)):
        folder.mkdir()
        for number in range(count):
            draw_photo(number).save(folder / f"{number:03d}.png")
        (folder / "cut.png").write_bytes((folder / "000.png").read_bytes()[:500])
    made = {"first scan": stage.scene(stage.folder / "none", "scan", photos)}
    made["train"] = stage.scene(stage.kept("scanned"), "train", "--name", "one", *TRAINING)
    runs = stage.kept("with a run") / "runs"

    stage.put(stage.folder / "none")
    stage.run("scan", changing)
    shutil.copytree(runs, stage.root / "runs")
    stage.run("index", "--device", "cpu")
    for number in range(UNCHECKED, PHOTOS):
        draw_photo(number).save(changing / f"{number:03d}.png")
    stage.run("sync", "--device", "cpu")
    in_use = stage.kept("in use")
    draw_photo(90).save(changing / "090.png")
    draw_photo(91).save(changing / "001.png")
    (changing / "002.png").unlink()
    (changing / "003.png").rename(changing / "renamed.png")
    made["scan"] = stage.scene(in_use, "scan", changing)
    made["sync"] = stage.scene(in_use, "sync", "--keep", "2", "--device", "cpu")
    stage.run("train", "--name", "two", "--seed", "1", *TRAINING)
    two_runs = stage.kept("two runs")
    index = ("index", "--keep", "2", "--force", "--device", "cpu")
    stage.run(*index)
    exported = shutil.copytree(two_runs, stage.folder / "exported")
    shutil.copytree(stage.root / "embeddings", exported / "embeddings", dirs_exist_ok=True)
    for by_index in (*exported.glob("embeddings/*/vectors*"), *exported.glob("embeddings/*/label_free.json")):
        by_index.unlink()
    made["index"] = stage.scene(exported, *index)
    if long:
        made["index, with the export"] = stage.scene(two_runs, *index)
        made["index --encoder imagenet"] = stage.scene(stage.kept("indexed"), *index, "--encoder", "imagenet")
    return made


def read_content(root: Path) -> Content:
    """Everything in a store; each part must be whole."""
    store = Store.open(root)
    read_known = read_known_files(store.known_files_file)
    manifest = Manifest.read(store.manifest_file)
    assert set(read_known) <= set(manifest.table["path"].to_pylist())
    loaded = [load_version(folder, "cpu") for folder in version_folders(store)]
    version, vectors = ("", ""), np.zeros((0, 0), np.float32)
    if loaded:
        used = next(one for one in loaded if one.version.id == current_id(store))
        version = (used.version.encoder_sha256, used.items.fingerprint)
        vectors = np.stack([used.index.vector(row) for row in range(len(used.items))])
    return Content(
        photos=manifest.table.to_pydict(),
        left_out=read_quarantine(store.quarantine_file),
        runs={run.name: read_run(run) for run in all_runs(store)},
        version=version,
        vectors=vectors,
        files=files_of(store),
    )


def read_run(run: Run) -> tuple[Any, ...]:
    """Whether it is finished, its encoder to the bit, and its numbers but for the speed."""
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    weights = load_checkpoint(run.checkpoint_file).weights if run.finished else {}
    digest = hashlib.sha256(b"".join(weights[name].numpy().tobytes() for name in sorted(weights))).hexdigest()
    return run.finished, digest, [{name: row[name] for name in row if name not in TIMES} for row in rows]


def files_of(store: Store) -> frozenset[str]:
    """Every file, a version's by its rank and a run's event files as one."""
    ranks = {folder.name: str(rank) for rank, folder in enumerate(version_folders(store))}
    names = {
        "/".join(ranks.get(part, part) for part in file.relative_to(store.root).parts)
        for file in store.root.rglob("*")
        if file.is_file()
    }
    return frozenset(re.sub(r"events\.out\.tfevents.*", "events", name) for name in names)


def check_whole(stage: Stage, scene: Scene, ended: Ended) -> None:
    """After a kill: nothing is damaged, and whatever was said is so."""
    if not (stage.root / "catalog.json").exists():
        assert not scene.before.exists()
        assert " from " not in ended.said
        return
    store = Store.open(stage.root)
    manifest = Manifest.read(store.manifest_file).table.to_pydict()
    versions = {folder.name: load_version(folder, "cpu").version for folder in version_folders(store)}
    finished = {run.name for run in all_runs(store) if run.finished and load_checkpoint(run.checkpoint_file)}
    if scene.before.exists():
        earlier = Store(scene.before)
        assert finished >= {run.name for run in all_runs(earlier) if run.finished}
        if earlier.current_file.exists():
            assert current_id(store) in versions
            assert current_id(store) == current_id(earlier) or current_id(store) > current_id(earlier)
    if " from " in ended.said:  # of a scan
        assert manifest == scene.content.photos
    if told := re.search(r"version (\S+) in use", ended.said):
        assert current_id(store) == told[1]
        assert versions[told[1]].manifest_fingerprint == scene.content.version[1]
    if epochs := re.findall(r"epoch (\d+)/(\d+)", ended.said):
        run = Run(store.runs_dir / "one")
        done, of = map(int, epochs[-1])
        assert run.finished or load_resume(run)["step"] >= PHOTOS // BATCH * done
        assert ("trained one" not in ended.said) or (done == of and run.finished and not run.resumable)


def next_run(stage: Stage, scene: Scene) -> tuple[str, ...]:
    """What is to be typed after a kill: a run that has begun is gone on with, all else is begun again."""
    if scene.arguments[0] != "train":
        return scene.arguments
    run = Run(stage.root / "runs" / "one")
    if not run.config_file.exists():
        return scene.arguments
    return ("train", "--resume", "--name", "one", "--device", "cpu") if run.resumable else ()


@pytest.mark.parametrize("seed", SEEDS)
def test_kill_9_at_any_moment_loses_nothing_acknowledged(
    seed: int, stage: Stage, scenes: dict[str, Scene], long: bool, record_figures: Callable[[str, dict[str, Any]], None]
) -> None:
    random = np.random.default_rng(seed)
    wanted = KILLS // len(SEEDS) if long else 10
    kills: Counter[str] = Counter()
    ended_first = 0
    names = [name for name in scenes for _ in range((OFTEN | RARELY)[name])]
    begun, round_ = time.monotonic(), 0
    while kills.total() < wanted:
        name = names[random.integers(len(names))]
        scene, whole = scenes[name], round_ % WHOLE == 0
        round_ += 1
        stage.put(scene.before)
        line = scene.arguments
        for _ in range(random.integers(1, MOST_IN_A_ROW + 1)):
            ended = stage.killed(line, scene, whole, random)
            check_whole(stage, scene, ended)
            kills[f"{name}, {'process' if whole else 'child'}"] += ended.killed
            ended_first += not ended.killed
            line = next_run(stage, scene)
            if not ended.killed or not line:
                break
        if line:
            last = stage.run(*line)
            assert last.code == scene.whole.code, last.said
        read_content(stage.root).assert_like(scene.content)
        assert not list(stage.temporary.rglob("*"))
        print(f"{time.monotonic() - begun:.0f} s, {kills.total()} kills, {name}", flush=True)
    record_figures(
        f"kills-{seed}",
        {
            "kills": kills.total(),
            "by_command": dict(sorted(kills.items())),
            "ended_before_the_kill": ended_first,
            "rounds": round_,
            "damaged_stores": 0,
            "leftovers": 0,
            "seconds": round(time.monotonic() - begun),
        },
    )
