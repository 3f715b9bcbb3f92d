"""Pairs of checkpoints, ordered with labels and without: the statistics of benchmarks/gate_trust.py.

Every pair is there in both orders, new against in use, as the gate would meet it. Where something is counted "by
labels", the pair is told apart: the 95 % interval of the labelled paired difference excludes 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.bootstrap import Estimate

VERDICT = "recall@1"
"""The label-free score that the gate decides by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A new checkpoint held against one in use."""

    new: str
    in_use: str
    labelled: Mapping[str, Estimate]
    """New minus in use, by labelled measure."""
    label_free: Estimate
    """New minus in use, as the gate has it."""
    refused: bool
    """Whether the gate refuses the new one."""

    def by_labels(self, measure: str) -> str:
        """Whether the new one is "better" or "worse" by labels, or the pair is "not told apart"."""
        difference = self.labelled[measure]
        if not difference.excludes_zero:
            return "not told apart"
        return "better" if difference.value > 0 else "worse"


def told_apart(comparisons: Iterable[Comparison], measure: str) -> list[Comparison]:
    """The pairs told apart by labels, each once: with the better one as new; the smallest difference first."""
    better = [pair for pair in comparisons if pair.by_labels(measure) == "better"]
    return sorted(better, key=lambda pair: pair.labelled[measure].value)


def agreement(
    comparisons: Iterable[Comparison], measure: str, scores: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    """How many of the pairs told apart by labels are ordered the same way without; an equal score orders nothing.

    Args:
        measure: the labelled one.
        scores: other label-free scores for comparison, by checkpoint; higher is better.
    """
    pairs = told_apart(comparisons, measure)
    found = {
        "verdict": _share(pair.label_free.value > 0 for pair in pairs),
        "verdict, nearer half": _share(pair.label_free.value > 0 for pair in pairs[: len(pairs) // 2]),
        "verdict, told apart by both": _share(
            pair.label_free.value > 0 for pair in pairs if pair.label_free.excludes_zero
        ),
    }
    for name in next(iter(scores.values())):
        found[name] = _share(scores[pair.new][name] > scores[pair.in_use][name] for pair in pairs)
    return found


def gate_decisions(comparisons: Iterable[Comparison], measure: str) -> dict[str, dict[str, int]]:
    """What the gate does with every new encoder, by what the labels say of it.

    Wrong are those refused though better. Those published though worse are what it cannot see.
    """
    counts: dict[str, Counter[str]] = {"refused": Counter(), "published": Counter()}
    for pair in comparisons:
        counts["refused" if pair.refused else "published"][pair.by_labels(measure)] += 1
    return {decision: dict(sorted(count.items())) for decision, count in counts.items()}


def discordant(comparisons: Iterable[Comparison], measure: str) -> list[dict[str, Any]]:
    """The pairs told apart by labels that the verdict orders the other way, or not at all."""
    return [
        {
            "better": pair.new,
            "worse": pair.in_use,
            "labelled": pair.labelled[measure].to_json(),
            "label_free": pair.label_free.to_json(),
            "gate_refuses_the_better": pair.refused,
        }
        for pair in told_apart(comparisons, measure)
        if pair.label_free.value <= 0
    ]


def mean_width(comparisons: Sequence[Comparison], measure: str) -> float:
    """How wide the intervals of a labelled measure's differences are on average."""
    return sum(pair.labelled[measure].high - pair.labelled[measure].low for pair in comparisons) / len(comparisons)


def _share(same: Iterable[bool]) -> dict[str, Any]:
    flags = list(same)
    return {"pairs": len(flags), "same": sum(flags), "share": round(sum(flags) / len(flags), 4) if flags else None}
