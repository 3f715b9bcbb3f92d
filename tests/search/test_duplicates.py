"""`lookalike duplicates`: who is in which group, what is written, and photos that have gone."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from catalog.config import ScanConfig
from catalog.errors import UsageError
from catalog.scan import scan
from catalog.store import Store
from index.build import build_version
from index.config import IndexConfig
from search.duplicates import find_duplicates
from search.duplicates_config import DuplicatesConfig
from tests.catalog.drawn import at_home, saved, studio
from tests.small_run import leave_run

Row = dict[str, str]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    """Twelve products of three designs and, of three of them, copies; a table with a column called like one of ours."""
    folder = tmp_path_factory.mktemp("catalog") / "photos"
    folder.mkdir()
    for number in range(12):
        studio(number).save(folder / f"shop-{number:02d}.png")
    shutil.copyfile(folder / "shop-03.png", folder / "same-03.png")
    shutil.copyfile(folder / "shop-05.png", folder / "same-05.png")
    saved(studio(5).crop((20, 20, 236, 236)), 80).save(folder / "tidy-05.png")
    saved(studio(5).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 80).save(folder / "turned-05.png")
    saved(studio(8), 40).resize((128, 128)).save(folder / "small-08.png")
    at_home(8).save(folder / "customer-08.png")
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "item_id", "title", "group"))
        for path in sorted(folder.glob("*.png")):
            table.writerow((path.name, path.stem, f"Thing {path.stem}", "women"))
        table.writerow(("shop-00.png", "again-00", "The same file once more", "women"))
    store = Store(folder.parent / "store")
    scan(ScanConfig(catalog=folder / "table.csv", store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    return folder, store


def look(store: Store, **settings: object) -> tuple[str, int]:
    summary = find_duplicates(DuplicatesConfig(store=store.root, device="cpu", **settings))  # type: ignore[arg-type]
    return str(summary), summary.exit_code


def rows_of(output: Path) -> list[Row]:
    with output.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_first(rows: list[Row]) -> dict[str, dict[str, str]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    return {group[0]["path"]: {row["path"]: row["relation"] for row in group} for group in groups.values()}


def test_groups_in_a_table_and_on_a_sheet(catalog: tuple[Path, Store], tmp_path: Path) -> None:
    _, store = catalog
    output, sheet = tmp_path / "groups.csv", tmp_path / "groups.png"
    told, code = look(store, output=str(output), sheet=sheet)
    rows = rows_of(output)
    assert list(rows[0])[:4] == ["group", "kind", "relation", "item_id"]
    assert {row["catalog_group"] for row in rows} == {"women"}
    assert by_first(rows) == {
        "same-03.png": {"same-03.png": "first", "shop-03.png": "identical"},
        "same-05.png": {
            "same-05.png": "first",
            "shop-05.png": "identical",
            "tidy-05.png": "cropped",
            "turned-05.png": "mirrored",
        },
        "shop-08.png": {"shop-08.png": "first", "small-08.png": "same view"},
    }
    kinds = {row["path"]: row["kind"] for row in rows}
    assert kinds["shop-03.png"] == "identical" and kinds["shop-05.png"] == kinds["small-08.png"] == "near-identical"
    assert all(
        float(row["similarity"]) == pytest.approx(1) for row in rows if row["relation"] in ("first", "identical")
    )
    assert all(-1 <= float(row["similarity"]) < 1 for row in rows if row["relation"] in ("cropped", "mirrored"))
    assert code == 0 and "3 groups of 8 photos: 1 identical, 2 near-identical; 3 join different products" in told
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG" and drawn.height > 3 * 200


def test_without_an_output_groups_are_printed(catalog: tuple[Path, Store], capsys: pytest.CaptureFixture[str]) -> None:
    told, _ = look(catalog[1])
    assert "tidy-05.png  (cropped)" in told
    told, _ = look(catalog[1], output="-")
    assert "tidy-05.png" not in told
    assert len(capsys.readouterr().out.splitlines()) == 1 + 8


def test_photos_that_are_gone_or_changed_are_counted_and_left_out(catalog: tuple[Path, Store], tmp_path: Path) -> None:
    folder, store = catalog
    moved = {name: folder / name for name in ("same-03.png", "tidy-05.png", "small-08.png")}
    kept = {name: path.read_bytes() for name, path in moved.items()}
    try:
        moved["same-03.png"].unlink()
        moved["tidy-05.png"].unlink()
        at_home(0).save(moved["small-08.png"])
        told, code = look(store, output=str(tmp_path / "groups.csv"))
    finally:
        for name, path in moved.items():
            path.write_bytes(kept[name])
    assert code == 3 and "3 photos are gone or have changed" in told
    assert set(by_first(rows_of(tmp_path / "groups.csv"))) == {"same-05.png"}
    assert "tidy-05.png" not in (tmp_path / "groups.csv").read_text()


def test_k_of_one_still_gathers_the_whole_group(catalog: tuple[Path, Store], tmp_path: Path) -> None:
    look(catalog[1], output=str(tmp_path / "groups.csv"), k=1, least_similarity=-1.0)
    assert len(by_first(rows_of(tmp_path / "groups.csv"))["same-05.png"]) >= 3


def test_nothing_alike_writes_no_sheet(catalog: tuple[Path, Store], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (0, 4, 8):
        studio(number).save(folder / f"{number}.png")
    store = Store(tmp_path / "store")
    scan(ScanConfig(catalog=folder, store=store.root))
    leave_run(store, "one")
    build_version(IndexConfig(store=store.root, device="cpu"))
    told, code = look(store, output=str(tmp_path / "none.csv"), sheet=tmp_path / "none.png")
    assert "0 groups of 0 photos" in told and code == 0
    assert rows_of(tmp_path / "none.csv") == [] and not (tmp_path / "none.png").exists()


def test_wrong_settings_are_told_before_any_work(catalog: tuple[Path, Store], tmp_path: Path) -> None:
    for settings, told in (
        ({"output": str(tmp_path / "out.xlsx")}, r"must end in \.csv"),
        ({"output": str(tmp_path / "nowhere" / "out.csv")}, "folder that exists"),
        ({"sheet": tmp_path / "out.jpg"}, r"must end in \.png"),
        ({"sheet": tmp_path / "nowhere" / "out.png"}, "folder that exists"),
        ({"k": 0}, "1 to 1000"),
        ({"least_similarity": 2.0}, "-1 to 1"),
    ):
        with pytest.raises(UsageError, match=told):
            look(catalog[1], **settings)
    assert list(tmp_path.iterdir()) == []


def test_stdout_holds_the_table_alone_and_neither_torch_nor_pandas_is_imported(catalog: tuple[Path, Store]) -> None:
    program = (
        "import sys\n"
        "from catalog.command_line import main\n"
        "from search.commands import COMMANDS\n"
        "code = main(COMMANDS, 'lookalike', sys.argv[1:])\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    arguments = ["duplicates", "--store", str(catalog[1].root), "--output", "-", "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert len(list(csv.DictReader(done.stdout.splitlines()))) == 8
    told = done.stderr.splitlines()
    assert told[0].startswith("3 groups of 8 photos") and told[-1] == "[]"
