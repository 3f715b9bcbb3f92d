"""Bad input through the real command line: one line that says what to do, the right exit code, the store as it was."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.config import ScanConfig
from catalog.manifest import Manifest
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from tests.conftest import DrawPhotos, draw_photo
from tests.small_run import leave_run

ROOT = Path(__file__).parents[2]
LIBC = ctypes.CDLL(None)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from ui.command import main; main()", *map(str, arguments)]


def lookalike(*arguments: str | Path, obeys_permissions: bool = False) -> tuple[int, str]:
    """Exit code and what was said on stderr. `obeys_permissions`: also where root runs the tests."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=240,
        preexec_fn=_obey_permissions if obeys_permissions else None,
    )
    return done.returncode, done.stderr


def _obey_permissions() -> None:
    """Let what is run next have none of root's rights to every file; whoever is not root has none anyway."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def one_line(told: str) -> bool:
    return told.startswith("lookalike: ") and told.count("\n") == 1 and "Traceback" not in told


def snapshot(folder: Path) -> dict[str, str]:
    """Every file's content, but the lock's."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "LOCK"
    }


@pytest.fixture
def store(draw_photos: DrawPhotos, tmp_path: Path) -> Path:
    """A store with a version in use."""
    return _indexed(draw_photos(4), tmp_path / "store")


def _indexed(photos: Path, root: Path) -> Path:
    scan(ScanConfig(catalog=photos, store=root))
    leave_run(Store.open(root), "one")
    build_version(IndexConfig(store=root, device="cpu"))
    return root


def test_bad_catalogs(store: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"nothing")
    (tmp_path / "no-path.csv").write_text("file,title\n000.png,x\n")
    (photos / "outside.csv").write_text("path\n000.png\n../secret.png\n")
    before = snapshot(store)
    for catalog, code, told in (
        (tmp_path / "absent", 2, "absent"),
        (tmp_path / "empty", 1, "no photos"),
        (tmp_path / "broken", 1, "unsupported-format"),
        (tmp_path / "no-path.csv", 2, '"path"'),
        (photos / "outside.csv", 2, "../secret.png"),
    ):
        for target in (store, tmp_path / "new-store"):
            found, line = lookalike("scan", catalog, "--store", target)
            assert found in (code, 2 if target == store else code), (catalog, line)
            assert one_line(line), line
            assert told in line or target == store, line
    assert snapshot(store) == before
    assert not (tmp_path / "new-store").exists()


def test_a_store_of_another_format(store: Path, draw_photos: DrawPhotos) -> None:
    file = store / "catalog.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 99'))
    before = snapshot(store)
    for arguments in (("scan", draw_photos(2)), ("train",), ("index",), ("search", draw_photos(2)), ("status",)):
        code, line = lookalike(*arguments, "--store", store)
        assert code == 1
        assert one_line(line)
        assert "format must be 1" in line
        assert "99" in line
    assert snapshot(store) == before


def test_wrong_words_and_a_missing_gpu(store: Path, tmp_path: Path) -> None:
    before = snapshot(store)
    for arguments, code, told in (
        (("dance",), 2, "there is no command"),
        (("train", "--epochs", "many"), 2, "many"),
        (("train", "--colour", "blue"), 2, "--colour"),
        (("train", "--preset", "slow"), 2, "--preset must be one of"),
        (("train", "--encoder", "resnet99"), 2, "--encoder must be one of"),
        (("train", "--weights", tmp_path / "absent.pt"), 2, "--weights must be"),
        (("index", "--run", "absent"), 2, 'there is no run "absent"'),
        (("rollback",), 2, "no version before"),
        (("search", tmp_path / "absent.jpg"), 2, "must be a photo or a folder"),
    ):
        found, line = lookalike(*arguments, *(() if arguments[0] == "dance" else ("--store", store)))
        assert found == code, line
        assert one_line(line), line
        assert told in line
    from index.gpu_mirror import gpu_count

    if not gpu_count():
        for name in ("train", "index", "status", "serve"):
            code, line = lookalike(name, "--device", "gpu", "--store", store)
            assert (code, one_line(line)) == (2, True), line
            assert "--device gpu needs" in line
    assert snapshot(store) == before


def test_a_second_writer_is_told_who_writes(store: Path, draw_photos: DrawPhotos) -> None:
    before = snapshot(store)
    with Store.open(store).writing("lookalike train"):
        for arguments in (("scan", draw_photos(4)), ("index",), ("train",), ("rollback",), ("prune",)):
            code, line = lookalike(*arguments, "--store", store)
            assert (code, one_line(line)) == (1, True), line
            assert f'"lookalike train" (process {os.getpid()} on ' in line
        assert lookalike("status", "--store", store)[0] == 0  # readers go on
    assert snapshot(store) == before


@pytest.mark.parametrize("name", ["scan", "index", "search", "train"])
def test_ctrl_c_leaves_the_store_usable(store: Path, tmp_path: Path, name: str) -> None:
    """Interrupted at several moments: exit code 130, one line, and the version in use as it was."""
    photos = tmp_path / "photos"
    for number in range(4, 60):
        draw_photo(number, 400).save(photos / f"{number:03d}.png")
    version = (store / "CURRENT").read_text()
    manifest = Manifest.read(store / "manifest.parquet").table
    arguments: dict[str, tuple[str | Path, ...]] = {
        "scan": (photos,),
        "index": ("--encoder", "imagenet"),
        "search": (photos, "--output", tmp_path / "out.csv"),
        "train": ("--weights", "none", "--epochs", "50", "--views.size", "32", "--encoder", "mobilenet_v3_small"),
    }
    interrupted = 0
    for wait in (0.25, 0.45, 0.7, 1.5, 3.0):  # a scan may take less than a second
        process = subprocess.Popen(
            command(name, *arguments[name], "--store", store),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        if process.returncode == 0:
            break  # it was quicker than the interruption
        assert process.returncode in (130, -signal.SIGINT), told  # the latter: before Python was ready to listen
        assert process.returncode != 130 or one_line(told), told
        interrupted += 1
        # A signal may also come when the result is published and before the exit: the old state or the new one, whole.
        before = (store / "CURRENT").read_text() == version and (
            Manifest.read(store / "manifest.parquet").table.equals(manifest)
        )
        if before and not (tmp_path / "out.csv").exists():
            continue
        assert name in ("scan", "index", "search")
        if name == "scan":
            assert len(Manifest.read(store / "manifest.parquet")) == 60
        if name == "search":
            assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + 60 * 4
        assert lookalike("status", "--store", store)[0] == 0
        break
    assert interrupted
    assert lookalike("search", photos / "000.png", "--store", store)[0] == 0


def test_what_may_not_be_written_is_one_line_and_loses_nothing(store: Path, tmp_path: Path) -> None:
    photos, closed = tmp_path / "photos", tmp_path / "closed"
    closed.mkdir()
    before = snapshot(store)
    folders = [closed, store, *(path for path in store.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        for arguments in (
            ("scan", photos, "--store", closed / "new"),
            ("index", "--store", store),
            ("search", photos / "000.png", "--store", store, "--output", closed / "a.csv"),
        ):
            code, told = lookalike(*arguments, obeys_permissions=True)
            assert code == 1 and one_line(told), told
            assert "(Permission denied)" in told and "change who may read and write there" in told, told
            assert ".tmp" not in told
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert snapshot(store) == before


def test_a_folder_that_may_not_be_looked_into_any_more_is_not_taken_for_deleted(
    draw_photos: DrawPhotos, tmp_path: Path
) -> None:
    photos, root = draw_photos(4), tmp_path / "store"
    within = photos / "some" / "of them"
    within.mkdir(parents=True)
    for number in range(2):
        (photos / f"{number:03}.png").rename(within / f"{number}.png")
    _indexed(photos, root)
    before = snapshot(root)
    (photos / "some").chmod(0)
    try:
        code, told = lookalike("sync", "--store", root, obeys_permissions=True)
        assert code == 1 and told.splitlines()[-1].endswith("or take them out of the catalog by --accept-unreadable")
        assert f"{within} is not (Permission denied), and 2 photos of the catalog lie in it" in told
        assert snapshot(root) == before
        assert lookalike("sync", "--accept-unreadable", "--store", root, obeys_permissions=True)[0] == 3
    finally:
        (photos / "some").chmod(0o755)
    assert len(Manifest.read(root / "manifest.parquet")) == 2


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys, ui.command, ui.commands; sys.argv = ['lookalike', '--help']\n"
        "try: ui.command.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'faiss', 'gradio', 'numpy', 'pandas', 'tyro') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "scan" in done.stdout
