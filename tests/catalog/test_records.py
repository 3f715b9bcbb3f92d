"""Record files: what was appended is there, also after a crash in the middle of an append."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import LookalikeError
from catalog.records import RecordFile

KEYS = [f"{number:064x}" for number in range(1, 6)]


def fill(folder: Path, numbers: range) -> None:
    with RecordFile(folder, "some", 4).appending() as writer:
        for number in numbers:
            writer.append(KEYS[number], bytes([number] * 4))


def test_appended_records_are_found_again(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    fill(tmp_path, range(3, 5))
    records = RecordFile(tmp_path, "some", 4)
    content = records.file.read_bytes()
    assert {key: content[4 * row] for key, row in records.rows.items()} == {KEYS[n]: n for n in range(5)}


@pytest.mark.parametrize("lost", range(1, 9))
@pytest.mark.parametrize("ending", ["records", "keys"])
def test_a_torn_append_is_cut_off(tmp_path: Path, ending: str, lost: int) -> None:
    fill(tmp_path, range(4))
    file = tmp_path / f"some.{ending}"
    file.write_bytes(file.read_bytes()[:-lost])
    fill(tmp_path, range(4, 5))
    records = RecordFile(tmp_path, "some", 4)
    content = records.file.read_bytes()
    assert len(content) == 4 * len(records)
    assert all(content[4 * row : 4 * row + 4] == bytes([KEYS.index(key)] * 4) for key, row in records.rows.items())
    assert KEYS[4] in records.rows


def test_wrong_size_and_a_full_disk_are_refused(tmp_path: Path) -> None:
    records = RecordFile(tmp_path, "some", 4)
    with records.appending() as writer, pytest.raises(ValueError, match="4 bytes, not 3"):
        writer.append(KEYS[0], b"abc")
    with pytest.raises(LookalikeError, match=r"vectors need [\d.]+ [GM]B .* are free: free some"):
        records.check_space(10**15, "vectors", "free some")


@pytest.mark.parametrize("zeroed", range(1, 4))
def test_keys_that_a_power_loss_left_as_zeros_are_cut_off(tmp_path: Path, zeroed: int) -> None:
    fill(tmp_path, range(4))
    file = tmp_path / "some.keys"
    file.write_bytes(file.read_bytes()[: -32 * zeroed] + bytes(32 * zeroed))
    fill(tmp_path, range(4 - zeroed, 5))
    records = RecordFile(tmp_path, "some", 4)
    content = records.file.read_bytes()
    assert {key: content[4 * row] for key, row in records.rows.items()} == {KEYS[n]: n for n in range(5)}
