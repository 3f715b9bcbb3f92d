"""Embedding by several processes ends in the vectors of one, also when they are killed at random and started again.

One test uses torchrun itself. For the others one process, which runs this file, imports torch once and forks them.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from catalog.config import ScanConfig
from catalog.manifest import Manifest
from catalog.records import RecordFile
from catalog.scan import scan
from catalog.store import Store
from index.config import EmbedConfig
from index.embed import embed
from index.embedder import Embedder, Prepared, open_embedder
from index.embedding import EmbeddedCatalog, embed_catalog, open_cache, parts_folder
from index.encoders import EncoderFiles, chosen_encoder
from index.parts import PartWriter, read_part
from index.vectors import Floats
from tests.conftest import draw_photo
from tests.reliability.warm_process import CHANGES
from tests.small_run import leave_run_alone
from training.checkpoint import read_header

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
PHOTOS, PART = 23, 3
"""Of distinct content, that can be read; and of them in a part."""
LOST_ONE = "processes; one has ended before its time: what was saved is kept"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    """As `subprocess` tells it: negative where a signal ended it."""
    said: str


class Ranks:
    """The process that forks others, as the tests see it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        line = [sys.executable, "-m", "tests.index.test_embed"]
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
        )

    def embed(
        self,
        store: Store,
        count: int,
        *,
        kill: int = -1,
        at_operation: int = -1,
        all_of_them: bool = False,
        elsewhere: Store | None = None,
    ) -> list[Ended]:
        """Let so many processes embed; kill one of them as it changes a file for the so-many-th time, or then all.

        Args:
            elsewhere: the store that all but rank 0 are given.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        stores = [store.root, *[(elsewhere or store).root] * (count - 1)]
        arguments = [["--store", str(root), "--part", str(PART), "--device", "cpu"] for root in stores]
        said = [str(self._folder / f"said-{rank}") for rank in range(count)]
        asked = {"arguments": arguments, "said": said, "port": port}
        asked |= {"kill": kill, "at_operation": at_operation, "all_of_them": all_of_them}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        codes = json.loads(self.process.stdout.readline())
        return [Ended(code, Path(file).read_text()) for code, file in zip(codes, said, strict=True)]


def fork_ranks(
    arguments: Sequence[Sequence[str]], said: Sequence[str], port: int, kill: int, at_operation: int, all_of_them: bool
) -> list[int]:
    """Fork the processes and wait; how each ended."""
    operations = [at_operation if rank == kill else -1 for rank in range(len(said))]
    children = [
        os.fork() or be_a_rank(rank, arguments[rank], said, port, operations[rank]) for rank in range(len(said))
    ]
    codes = dict.fromkeys(children, 0)
    for _ in children:
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        if all_of_them and codes[child] == -signal.SIGKILL:
            for other in [other for other in children if other != child]:
                os.kill(other, signal.SIGKILL)
            all_of_them = False
    return list(codes.values())


def be_a_rank(rank: int, arguments: Sequence[str], said: Sequence[str], port: int, at_operation: int) -> NoReturn:
    """What each of the forked processes does."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(said), "LOCAL_WORLD_SIZE": len(said)}
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    os.environ.update({name: str(value) for name, value in names.items()})
    file = os.open(said[rank], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    operations = 0

    def count(event: str, about: tuple[Any, ...]) -> None:
        nonlocal operations
        if event in CHANGES or (event == "open" and about[2] & (os.O_WRONLY | os.O_RDWR)):
            if operations == at_operation:
                os.kill(os.getpid(), signal.SIGKILL)
            operations += 1

    from catalog.command_line import main
    from index.commands import COMMANDS

    sys.addaudithook(count)
    code = 99
    try:
        code = main({"embed": COMMANDS["embed"]}, "lookalike", arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    ranks = Ranks(tmp_path_factory.mktemp("said"))
    yield ranks
    ranks.process.kill()
    ranks.process.communicate()


@dataclass(frozen=True, slots=True)
class Expected:
    """A store with photos and no vectors, and what one process makes of it that knows nothing of parts."""

    store: Store
    catalog: EmbeddedCatalog


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """The photos: one file twice, and one that is gone since the scan."""
    folder = tmp_path_factory.mktemp("embed")
    (folder / "photos").mkdir()
    for number in range(PHOTOS + 1):
        draw_photo(number).save(folder / "photos" / f"{number:03d}.png")
    shutil.copyfile(folder / "photos" / "004.png", folder / "photos" / "twice.png")
    scan(ScanConfig(catalog=folder / "photos", store=folder / "store"))
    (folder / "photos" / "010.png").unlink()
    store = Store.open(folder / "store")
    leave_run_alone(store, "small")
    shutil.copytree(store.root, folder / "one")
    return Expected(store, embedded(Store.open(folder / "one")))


@pytest.fixture
def store(expected: Expected, tmp_path: Path) -> Store:
    """A copy of the store."""
    shutil.copytree(expected.store.root, tmp_path / "store")
    return Store.open(tmp_path / "store")


def encoder_of(store: Store) -> EncoderFiles:
    return chosen_encoder(store, EmbedConfig())


def embedded(store: Store) -> EmbeddedCatalog:
    """What `index` would build with; it embeds what has no vector yet."""
    with store.writing("a test"):
        return embed_catalog(store, Manifest.read(store.manifest_file), encoder_of(store), "cpu")


def assert_as_expected(store: Store, expected: Expected) -> None:
    """The store has the vectors of one process, each beside its photo, and nothing is left over."""
    found = embedded(store)
    assert found.embedded == 0
    assert found.unreadable == expected.catalog.unreadable == 1
    assert found.items.table.equals(expected.catalog.items.table)
    assert np.array_equal(found.embeddings.image_ids, expected.catalog.embeddings.image_ids)
    assert np.abs(found.embeddings.vectors - expected.catalog.embeddings.vectors).max() < 1e-6
    assert not parts_folder(store, encoder_of(store)).exists()
    assert list(store.root.rglob(".*.tmp")) == []


def vectors_kept(store: Store, expected: Expected) -> int:
    """How many photos have a vector, in the cache or in a whole part."""
    encoder, blocks = encoder_of(store), expected.catalog.embeddings.blocks
    found = set(RecordFile(store.embeddings_dir / encoder.sha256, "vectors-lab-4x5x5", 4 * sum(blocks.values())).rows)
    for file in parts_folder(store, encoder).glob("*.part"):
        part = read_part(file, blocks)
        assert part is not None  # what has its name is whole
        found.update(part.keys)
    return len(found)


def told(ended: Ended) -> tuple[int, int]:
    """Photos embedded and reused, of rank 0's summary."""
    numbers = re.match(r"(\d+) photos embedded, (\d+) reused", ended.said)
    assert numbers, ended.said
    return int(numbers[1]), int(numbers[2])


def test_two_processes_make_the_vectors_of_one(ranks: Ranks, store: Store, expected: Expected) -> None:
    first, second = ranks.embed(store, 2)
    assert (first.code, second.code) == (0, 0), first.said
    assert f"{PHOTOS} photos embedded, 0 reused, 1 unreadable since the scan" in first.said
    assert ", by 2 processes in " in first.said
    assert first.said.endswith('run "lookalike index"\n')
    assert second.said == ""
    assert_as_expected(store, expected)


def test_one_process_alone_does_the_same_and_tells_of_unreadable_photos(store: Store, expected: Expected) -> None:
    summary = embed(EmbedConfig(store=store.root, run="small", part=PART, device="cpu"))
    assert (summary.embedded, summary.reused, summary.unreadable, summary.exit_code) == (PHOTOS, 0, 1, 3)
    assert str(summary).endswith('run "lookalike index --run small"')
    assert_as_expected(store, expected)
    again = embed(EmbedConfig(store=store.root, part=PART, device="cpu"))
    assert (again.embedded, again.reused) == (0, PHOTOS)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_and_started_again_they_end_in_the_vectors_of_one(
    ranks: Ranks, store: Store, expected: Expected, seed: int
) -> None:
    """One or all of them, up to twice; then another number of processes goes on. What was whole is not made again."""
    drawn = random.Random(seed)
    for _ in range(drawn.randint(1, 2)):
        count = drawn.randint(1, 3)
        killed = drawn.randrange(count)
        ends = ranks.embed(
            store, count, kill=killed, at_operation=drawn.randrange(3, 24), all_of_them=drawn.random() < 0.3
        )
        assert all(end.code in (0, 1, 3, -signal.SIGKILL) for end in ends), ends
        for end in ends:
            if end.code == 1:
                assert re.fullmatch(rf"lookalike: a run needs all of its {count} {LOST_ONE}.*\n", end.said)
    kept = vectors_kept(store, expected)
    first = ranks.embed(store, drawn.randint(1, 3))[0]
    assert told(first) == (PHOTOS - kept, kept)
    assert_as_expected(store, expected)


def test_a_killed_process_leaves_whole_parts_which_an_index_takes_too(
    ranks: Ranks, store: Store, expected: Expected
) -> None:
    ends = ranks.embed(store, 2, kill=1, at_operation=7)  # as it writes its third part
    assert [end.code for end in ends] == [1, -signal.SIGKILL]
    found = embedded(store)
    assert 3 * PART <= found.reused < PHOTOS
    assert found.reused + found.embedded == PHOTOS
    assert_as_expected(store, expected)


def test_killed_as_it_joins_parts_it_loses_none(ranks: Ranks, store: Store, expected: Expected) -> None:
    ranks.embed(store, 1, kill=0, at_operation=26)
    kept = vectors_kept(store, expected)
    for operation in range(2, 8):
        assert ranks.embed(store, 1, kill=0, at_operation=operation)[0].code == -signal.SIGKILL
        before, kept = kept, vectors_kept(store, expected)
        assert 3 * PART <= before <= kept < PHOTOS
    assert told(ranks.embed(store, 2)[0]) == (PHOTOS - kept, kept)
    assert_as_expected(store, expected)


def test_told_to_stop_a_process_leaves_what_it_has_made_so_far(
    store: Store, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that is no whole part yet."""
    batches = 0
    encode = Embedder.embed

    def encode_then_interrupt(embedder: Embedder, prepared: Sequence[Prepared]) -> Floats:
        nonlocal batches
        if len(prepared) == 4:  # not the probe picture
            batches += 1
            if batches == 3:
                os.kill(os.getpid(), signal.SIGINT)
        return encode(embedder, prepared)

    monkeypatch.setattr("index.embedding.BATCH", 4)
    monkeypatch.setattr(Embedder, "embed", encode_then_interrupt)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        embed(EmbedConfig(store=store.root, device="cpu"), said.append)
    assert said == ["process 1 of 1 was told to stop: the same command goes on, also with another number of processes"]
    assert vectors_kept(store, expected) == 8
    summary = embed(EmbedConfig(store=store.root, device="cpu"))
    assert (summary.embedded, summary.reused) == (PHOTOS - 8, 8)
    assert_as_expected(store, expected)


def test_damaged_parts_are_removed_and_their_photos_embedded_again(
    ranks: Ranks, store: Store, expected: Expected
) -> None:
    ranks.embed(store, 1, kill=0, at_operation=37)
    parts = sorted(parts_folder(store, encoder_of(store)).glob("*.part"))
    assert len(parts) > 4
    short, flipped, empty, long = (part.read_bytes() for part in parts[:4])
    parts[0].write_bytes(short[:-1])
    parts[1].write_bytes(flipped[:200] + bytes([flipped[200] ^ 1]) + flipped[201:])
    parts[2].write_bytes(empty[:0])
    parts[3].write_bytes(long + bytes(4))
    first = ranks.embed(store, 2)[0]
    whole = (len(parts) - 4) * PART
    assert told(first) == (PHOTOS - whole, whole)
    assert_as_expected(store, expected)


def test_vectors_that_are_not_finite_not_of_unit_norm_or_of_other_blocks_are_not_taken_from_a_part(
    store: Store, expected: Expected, tmp_path: Path
) -> None:
    vectors = expected.catalog.embeddings.vectors
    keys = expected.catalog.items.table["sha256"].to_pylist()
    blocks = expected.catalog.embeddings.blocks
    for name, value, taken in (("as they are", vectors[0, 0], True), ("nan", np.nan, False), ("long", 2.0, False)):
        changed = vectors[:2].copy()
        changed[0, 0] = value
        with PartWriter(tmp_path, name, 2) as writer:
            for key, vector in zip(keys, changed, strict=False):
                writer.append(key, vector.tobytes())
        part = read_part(tmp_path / f"{name}-00000000.part", blocks)
        assert (part is not None) == taken
        assert part is None or np.array_equal(part.vectors, changed)
    assert read_part(tmp_path / "as they are-00000000.part", {**blocks, "another": 1}) is None


def test_a_part_that_was_joined_but_not_yet_removed_changes_nothing(store: Store, expected: Expected) -> None:
    encoder, blocks = encoder_of(store), expected.catalog.embeddings.blocks
    embed(EmbedConfig(store=store.root, device="cpu"))
    kept = open_cache(store, encoder, blocks)
    with PartWriter(parts_folder(store, encoder), "twice", 2) as writer:
        for row, key in enumerate(list(kept.rows)[:2]):
            writer.append(key, expected.catalog.embeddings.vectors[row].tobytes())
    assert len(open_cache(store, encoder, blocks)) == PHOTOS
    assert_as_expected(store, expected)


def test_a_second_writer_is_refused_and_ends_all_its_processes(ranks: Ranks, store: Store) -> None:
    with store.writing("lookalike scan"):
        ends = ranks.embed(store, 2)
    assert [end.code for end in ends] == [1, 1]
    assert '"lookalike scan" (process' in ends[0].said
    assert ends[1].said == ""


def test_processes_with_stores_of_their_own_are_told_to_share_one(
    ranks: Ranks, store: Store, expected: Expected, tmp_path: Path
) -> None:
    shutil.copytree(store.root, tmp_path / "another")
    ends = ranks.embed(store, 2, elsewhere=Store.open(tmp_path / "another"))
    assert [end.code for end in ends] == [1, 1]
    assert ends[0].said.startswith(
        f"lookalike: all vectors that were made must arrive in {store.root}; received 11 of 23:"
    )
    assert told(ranks.embed(store, 2)[0]) == (12, 11)
    assert_as_expected(store, expected)


def test_torchrun_ends_when_one_is_killed_and_one_process_goes_on(store: Store, expected: Expected) -> None:
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2", "-m", "--", "index.embed"]
    process = subprocess.Popen(
        [*torchrun, "--store", str(store.root), "--run", "small", "--part", "1", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    folder = parts_folder(store, encoder_of(store))
    killed = 0
    limit = time.monotonic() + 90
    while not killed and process.poll() is None and time.monotonic() < limit:
        if any("-00001-" in part.name for part in folder.glob("*.part")):
            killed = rank_of(process.pid, 1)
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.001)
    said, warned = process.communicate(timeout=60)
    assert killed, said + warned
    assert process.returncode == 1
    assert f"(exitcode: -9) local_rank: 1 (pid: {killed})" in warned
    assert "told to stop: the same command goes on" in said or LOST_ONE in warned
    kept = vectors_kept(store, expected)
    summary = embed(EmbedConfig(store=store.root, device="cpu"))
    assert 0 < kept < PHOTOS
    assert (summary.embedded, summary.reused) == (PHOTOS - kept, kept)
    assert_as_expected(store, expected)


def rank_of(agent: int, rank: int) -> int:
    """The process that torchrun has started as a rank."""
    for child in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        if f"\0RANK={rank}\0".encode() in b"\0" + Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError("torchrun has no such process")


def test_each_process_takes_its_share_of_the_cores(expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(expected.store)
    spec = read_header(encoder.checkpoint).spec
    threads = []
    for processes in ("1", "2", "4"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
        network: Any = open_embedder(spec, onnx=encoder.onnx, checkpoint=encoder.checkpoint, device="cpu")._network
        threads.append(network._session.get_session_options().intra_op_num_threads)
    assert threads == [4, 2, 1]


if __name__ == "__main__":
    import index.embed  # noqa: F401  what each process would import

    for line in sys.stdin:
        print(json.dumps(fork_ranks(**json.loads(line))), flush=True)
