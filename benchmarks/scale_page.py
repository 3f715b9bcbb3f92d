"""docs/scale.md, worked out from the newest records in benchmarks/results: `python -m benchmarks.scale_page`.

Every figure for more than a million photos is a measured one, multiplied; the page says by what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
SIZES = (10**7, 10**8, 10**9)
NODE_GB, FILLED = 128, 0.7
"""Memory of one machine, and the part of it that vectors may fill."""
VERSIONS = 2
"""In a Milvus server's memory: the one in use, and the one before or the next."""
PIXELS = 224 * 224 * 3
"""Bytes a photo that training keeps decoded, with the default preset."""
DEFAULT = "512+colour"
"""The vectors of the default recipe: 512 numbers and a colour block of 100."""
POWERS = {10**4: "10⁴", 10**5: "10⁵", 10**6: "10⁶", 10**7: "10⁷", 10**8: "10⁸", 10**9: "10⁹"}


def newest(name: str) -> dict[str, Any]:
    """The figures of the newest record of that name."""
    file = max(RESULTS.glob(f"????-??-??-{name}.json"))
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return figures


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def gigabytes(count: float) -> str:
    """Bytes as a number for people."""
    if count >= 1e12:
        return f"{count / 1e12:,.1f} TB"
    return f"{count / 1e9:,.0f} GB" if count >= 1e10 else f"{count / 1e9:,.1f} GB"


def hours(seconds: float) -> str:
    """A time for people."""
    if seconds > 3 * 86400:
        return f"{seconds / 86400:,.0f} days"
    return f"{seconds / 3600:,.1f} h" if seconds > 3600 else f"{seconds / 60:,.0f} min"


def measured() -> list[str]:
    """What was measured, up to a million."""
    kinds, engines = newest("index"), newest("engines")
    rows = []
    for name, one in kinds[DEFAULT].items():
        if not isinstance(one, dict) or "single" not in one:
            continue
        size = int(name.partition(" ")[0])
        rows.append(
            (
                POWERS[size],
                f"FAISS {one['kind']}",
                612,
                one["recall_at_10"],
                f"{one['single']['p50_ms']} ms",
                f"{one['filter_1_percent']['p50_ms']} ms",
                round(one["memory_mb"] * 1e6 / size),
                round(one["files_mb"] * 1e6 / size),
                f"{one['build_seconds']} s",
            )
        )
    for one in engines["sizes"]:
        for engine in ("faiss", "milvus"):
            side = one[engine]
            memory = side.get("memory_bytes_per_photo", "")
            disk = side.get("disk_bytes_per_photo", "")
            rows.append(
                (
                    POWERS[one["products"]],
                    f"{'FAISS ' if engine == 'faiss' else ''}{side['kind']}",
                    356,
                    side["recall"],
                    f"{side['p50_ms']} ms",
                    f"{side['filtered']['p50_ms']} ms",
                    memory,
                    disk,
                    f"{side['build_s']} s",
                )
            )
    head = (
        "photos",
        "kind",
        "numbers",
        "recall@10",
        "one query",
        "filtered to 1 %",
        "memory, bytes a photo",
        "disk, bytes a photo",
        "build",
    )
    return table(head, rows)


def catalog_tables() -> list[str]:
    """What the table of a catalog takes."""
    head = ("photos", "memory, bytes a photo", "file, bytes a photo", "read in", "a condition")
    rows = []
    for one in newest("catalog-memory")["sizes"]:
        bytes_each = one["memory_bytes_per_photo"], one["file_bytes_per_photo"]
        rows.append((POWERS[one["photos"]], *bytes_each, f"{one['read_seconds']} s", f"{one['condition_ms']} ms"))
    return table(head, rows)


def facts() -> dict[str, float]:
    """Measured figures that the model multiplies."""
    million = newest("index")[DEFAULT]["1000000 ivf-pq"]
    largest = newest("engines")["sizes"][-1]
    torchrun, search = newest("torchrun"), newest("search")
    return {
        "vector": 4 * 612,
        "pq_memory": million["memory_mb"],
        "pq_disk": million["files_mb"],
        "pq_build": million["build_seconds"] / 1e6,
        "peak": million["build_peak_by_vectors_bytes"],
        "milvus_memory": largest["milvus"]["memory_bytes_per_photo"] * 612 / 356,
        "milvus_disk": largest["milvus"]["disk_bytes_per_photo"] * 612 / 356,
        "milvus_sent": 1 / largest["milvus"]["sent_per_s"],
        "milvus_build": largest["milvus"]["build_s"] / largest["products"],
        "table": newest("catalog-memory")["sizes"][-1]["memory_bytes_per_photo"],
        "embed": 1 / search["folder"]["embedding_per_second"],
        "two": torchrun["embedding"]["ratio"],
    }


def model() -> list[str]:
    """On paper, for more."""
    of = facts()
    head = ("photos", *(POWERS[size] for size in SIZES))
    node = NODE_GB * 1e9 * FILLED

    def row(what: str, tell: Any) -> tuple[str, ...]:
        return (what, *(tell(size) for size in SIZES))

    rows = [
        row("vectors by themselves, 612 float32", lambda n: gigabytes(n * of["vector"])),
        row("FAISS exact: memory", lambda n: gigabytes(n * of["vector"])),
        row("FAISS ivf-pq: memory", lambda n: gigabytes(n * of["pq_memory"])),
        row("FAISS ivf-pq: disk, mapped", lambda n: gigabytes(n * of["pq_disk"])),
        row("Milvus, HNSW: memory, two versions", lambda n: gigabytes(VERSIONS * n * of["milvus_memory"])),
        row("Milvus, HNSW: disk, three versions", lambda n: gigabytes(3 * n * of["milvus_disk"])),
        row(
            f"nodes of Milvus with {NODE_GB} GB, filled to {FILLED:.0%}",
            lambda n: f"{-(-VERSIONS * n * of['milvus_memory'] // node):,.0f}",
        ),
        row("the pixels that training keeps: disk", lambda n: gigabytes(n * PIXELS)),
        row("each server's table of the catalog: memory", lambda n: gigabytes(n * of["table"])),
        row("memory while `index` builds with FAISS", lambda n: gigabytes(n * of["vector"] * of["peak"])),
        row("to embed all, one machine of 2 cores", lambda n: hours(n * of["embed"])),
        row("the same, 32 such machines under torchrun", lambda n: hours(n * of["embed"] / 32)),
        row("to build ivf-pq, 2 cores", lambda n: hours(n * of["pq_build"])),
        row("to send all to Milvus, one sender", lambda n: hours(n * of["milvus_sent"])),
        row("to build HNSW, 2 cores for all of Milvus", lambda n: hours(n * of["milvus_build"])),
    ]
    return table(head, rows)


TEMPLATE = """\
# How it grows

Made by `python -m benchmarks.scale_page` from the records in [benchmarks/results](../benchmarks/results). All was
measured on one machine with 2 cores and 25 GB, without a GPU; what is said of more than a million photos is
**worked out on paper**.

## Measured, up to a million

{kinds}

Of each pair of engines the same queries, in turn, on the same two cores (`python -m benchmarks.engines`; the
server is {server}). Milvus adds {added} ms to the median of a query among 100,000 products, where FAISS compares
every vector (aimed at: at most 15), and {added_most} ms among {largest}. Under a condition that one photo in a hundred
meets, it looks at so much of the graph that a query takes several times as long; FAISS compares those that meet it.
Kinds of FAISS with 612 numbers: `python -m benchmarks.index`.

The catalog's table, which each server that answers has in memory beside the vectors (`python -m
benchmarks.catalog_memory`):

{tables}

Two processes under torchrun on two cores, against one pinned to one core (`python -m benchmarks.torchrun`):
training {training} times, embedding {embedding} times (aimed at: 1.6).

## On paper, beyond

{model}

- **Bytes** are those of a photo at the largest size measured, times the photos. Milvus was measured with 356 numbers
  and up to {largest} photos, and is taken to grow with both; its memory is that of the server's process above what it
  took empty. Two versions are in it from one publish to the next; three stay on its disk (`--keep`), and what was
  removed within the last hour.
- **Embedding** runs at {embed:.0f} photos/s on 2 cores with the default encoder at 224 px (`benchmarks.search`).
  Photos are embedded independently, so machines are taken to add up. **Hours per GPU**: none was at hand. One that
  embeds f times as fast takes the row of one machine, divided by f.
- **Building** grows with the number of photos: lists with a little more than that, a graph with its logarithm
  besides, so that these rows are the least it takes.
- **A retrain and rebuild** in Milvus costs {rebuild} of a machine with 2 cores for each million photos:
  {embed_million} to embed, {send_million} to send, {build_million} to index. The steps of
  a training do not grow with the catalog, since a run shows as many views as its preset says; but it decodes every
  photo once and keeps it, which takes the disk above, and one machine some time.
- **A sync** embeds only what is new, but builds the whole index anew, in Milvus a whole collection: it costs the
  last two rows, however little has changed.

## What breaks first

1. **The disk that training fills with pixels**: {pixels} at 10⁷ photos. Train on a part of the catalog, in a store of
   its own, and give the run to the large one: a run is a folder.
2. **The memory of `index` and `sync`**, at about {million_25:.0f} million photos on a machine with 25 GB: they hold
   all vectors at once, with FAISS {peak} times their bytes. It grows with the machine: 256 GB do for
   {million_256:.0f} million.
3. **The nightly sync**, which sends and indexes everything: at 10⁷ photos {sync} with 2 cores for Milvus. Beyond
   that, syncs must change a collection in place, which they do not do yet
   ([0023](decisions/0023-one-interface-two-engines.md)).
4. **The catalog's table in each server's memory**: {table_8} at 10⁸ photos; `--product-by mean` holds a vector of each
   product there besides.
5. **One writer**: scan, sync and index of one store run on one machine, one at a time. Several stores, by region or
   shop, have no such limit.

`duplicates` and `tag` compare every photo with every other: they are for catalogs up to some 10⁵.
"""


def page() -> str:
    """The whole page."""
    of, torchrun, engines = facts(), newest("torchrun"), newest("engines")
    (added,) = [one["milvus_adds_p50_ms"] for one in engines["sizes"] if one["products"] == 10**5]
    at_once = of["vector"] * of["peak"]
    return TEMPLATE.format(
        kinds="\n".join(measured()),
        server=engines["server"],
        added=added,
        added_most=engines["sizes"][-1]["milvus_adds_p50_ms"],
        largest=POWERS[engines["sizes"][-1]["products"]],
        tables="\n".join(catalog_tables()),
        training=torchrun["training"]["ratio"],
        embedding=torchrun["embedding"]["ratio"],
        model="\n".join(model()),
        embed=1 / of["embed"],
        rebuild=hours(1e6 * (of["embed"] + of["milvus_sent"] + of["milvus_build"])),
        embed_million=hours(1e6 * of["embed"]),
        send_million=hours(1e6 * of["milvus_sent"]),
        build_million=hours(1e6 * of["milvus_build"]),
        million_25=25e9 / at_once / 1e6,
        million_256=256e9 / at_once / 1e6,
        peak=of["peak"],
        sync=hours(1e7 * (of["milvus_sent"] + of["milvus_build"])),
        pixels=gigabytes(1e7 * PIXELS),
        table_8=gigabytes(1e8 * of["table"]),
    )


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
