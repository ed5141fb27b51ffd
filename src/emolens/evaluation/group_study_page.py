"""The group study's figures as JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from emolens.evaluation import plots
from emolens.evaluation.metrics import Estimate
from emolens.evaluation.page_parts import cell, framed, notes, section, signed, table
from emolens.files import replacing

TITLE = "Is the group ensemble worth its 79.6 %?"
PAPER = "79.60"
CONFUSION = [[199, 58, 21], [43, 246, 29], [14, 39, 351]]
"""On EVAL, of the published weights, as recomputed from the source's files by others before this study."""
FOOTER = (
    "Outputs of Shuaipenger/Group-Emotion-Recognition and vlgiitr/Group-Level-Emotion-Recognition, as their authors "
    "published them; no picture of GAF was read. Intervals are 95 % percentile bootstraps over pictures, McNemar's "
    "test is exact and two-sided. results.json beside this page holds every number."
)
METHODS = {
    "given": "published weights",
    "mean": "mean",
    "simplex": "weights chosen on val",
    "nll": "likelihood of val (convex)",
    "stacking": "stack learnt on val",
}


def write_report(out: Path, found: dict[str, Any]) -> Path:
    """Write `results.json` and `index.html`; the path of the page. Raises `OutputError`."""
    for name, text in (("results.json", json.dumps(found, indent=1) + "\n"), ("index.html", page(found))):
        with replacing(out / name) as draft:
            draft.write_text(text, encoding="utf-8")
    return out / "index.html"


def page(found: dict[str, Any]) -> str:
    """The study as one HTML page that asks no server for anything."""
    rows = found["rows"]
    sections = [
        f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in claims(found))}</ul>",
        section("Published beside re-run", _published(found)),
        section("Every way to combine the five", _ways(found), WAYS_NOTE),
        section("The published weights on EVAL", _confusion(found), "Rows add up to 100 %; counts below."),
        section("Two ways on the same 1,000 pictures", _comparisons(found), COMPARED_NOTE),
        section("The five members", _members(found)),
        _forerunner(found.get("forerunner")),
    ]
    about = f"train {rows['train']:,}, val (VAL) {rows['val']:,}, test (EVAL) {rows['test']:,} pictures of GAF 2.0"
    return framed(TITLE, about, sections, FOOTER)


def claims(found: dict[str, Any]) -> Iterator[str]:
    """What the figures allow to be said, a sentence each."""
    given, chosen, choice = found["published"]["test"]["accuracy"], _way(found, "simplex"), found["choice"]
    first = found["comparisons"][0]
    honest = chosen["test"]["accuracy"]
    yield (
        f"79.6 % is reproduced: the published weights are right on {given['value']:.1%} of EVAL "
        f"[{given['low']:.3f}, {given['high']:.3f}]."
    )
    yield (
        "But those weights are the best of all there are on EVAL itself. Chosen on VAL, the same search is right on "
        f"{honest['value']:.1%} of EVAL [{honest['low']:.3f}, {honest['high']:.3f}]."
        if choice["best_on_test"] <= given["value"]
        else f"Chosen on VAL, the same search is right on {honest['value']:.1%} of EVAL."
    )
    yield (
        f"The two weightings differ on {first['gained'] + first['lost']} of {first['n']:,} pictures, {first['gained']} "
        f"against {first['lost']} (McNemar p = {first['p_value']:.3f}). That does not show that either is better, and "
        "the pictures that chose one of them cannot be its judge."
    )
    halves = choice["halves"]
    yield (
        f"What such a choice gives away: weights chosen on {halves['rows']} pictures of EVAL are right on "
        f"{halves['chosen_half']:.1%} of those and on {halves['other_half']:.1%} of the others (mean of {halves['n']} "
        "halvings)."
    )
    yield from _faults(found)


def _faults(found: dict[str, Any]) -> Iterator[str]:
    floats, shuffled = found["floats"], found["shuffled"]
    yield (
        f"The source kept combinations whose floats add up to exactly 1: {floats['kept']:,} of {floats['there']:,}, "
        f"{floats['there'] - floats['kept']:,} were lost, and none has all its weight on one model. Whole twentieths "
        f"give all {found['choice']['points']:,}."
    )
    if shuffled["there"] and shuffled["refused"]:
        differ = shuffled["labels_that_differ"]
        yield (
            f"The sixth model, number 0, was saved from a shuffled loader: its labels differ in {differ['train']:,}, "
            f"{differ['val']:,} and {differ['test']:,} rows of train, val and test. It is refused: "
            f"{shuffled['refused']}."
        )


WAYS_NOTE = (
    "Chosen on val, which flatters the val column of all but the mean and the stack; judged on test. The published "
    "weights were chosen on test, which flatters them there."
)
COMPARED_NOTE = "First minus second. Gained: pictures that only the first has right; lost: only the second."


def _published(found: dict[str, Any]) -> str:
    given, chosen = found["published"], _way(found, "simplex")
    rows = [
        ["accuracy on EVAL, weights .3 0 0 .2 .5", f"{PAPER} %", cell(_of(given["test"]["accuracy"]))],
        ["the same on VAL", "not stated", cell(_of(given["val"]["accuracy"]))],
        ["the same on train", "not stated", cell(_of(given["train"]["accuracy"]))],
        ["macro F1 on EVAL", "not stated", cell(_of(given["test"]["macro_f1"]))],
        ["confusion matrix on EVAL", _matrix(CONFUSION), _matrix(given["test"]["confusion"])],
        ["accuracy on EVAL, weights chosen on VAL", "not stated", cell(_of(chosen["test"]["accuracy"]))],
        ["Group-and-Scene set: 97.51 % val, 97.90 % test", "published", "cannot be re-run: outputs not published"],
    ]
    return table(["", "published", "re-run here"], rows)


def _matrix(counts: Sequence[Sequence[int]]) -> str:
    return " | ".join(" ".join(map(str, row)) for row in counts)


def _ways(found: dict[str, Any]) -> str:
    rows = [
        [
            f"{METHODS[one['method']]}, {one['space']}",
            escape(_weights(one)),
            cell(_of(one["val"]["accuracy"])),
            cell(_of(one["test"]["accuracy"])),
            cell(_of(one["test"]["macro_f1"])),
        ]
        for one in found["ways"]
    ]
    return table(["", "weights", "val accuracy", "test accuracy", "test macro F1"], rows)


def _weights(one: dict[str, Any]) -> str:
    if one["weights"] is None:
        return ", ".join(f"{name} {text}" for name, text in one["notes"].items())
    return " ".join(f"{weight:.2f}" for weight in one["weights"])


def _confusion(found: dict[str, Any]) -> str:
    """The published matrix is that of EVAL; its colours follow the page."""
    drawn = plots.confusion_plot(np.array(found["published"]["test"]["confusion"]), found["classes"])
    return plots.on_page(drawn, "confusion")


def _comparisons(found: dict[str, Any]) -> str:
    rows = [
        [
            escape(f"{one['first']} against {one['second']}"),
            f"{one['gained']} / {one['lost']}",
            f"{one['p_value']:.3f}" if one["p_value"] >= 0.001 else f"{one['p_value']:.1g}",
            signed(_of(one["differences"]["accuracy"])),
            signed(_of(one["differences"]["macro_f1"])),
        ]
        for one in found["comparisons"]
    ]
    return table(["", "gained / lost", "McNemar p", "accuracy", "macro F1"], rows)


def _members(found: dict[str, Any]) -> str:
    rows = [
        [escape(one["name"]), *(cell(_of(one[split]["accuracy"])) for split in ("train", "val", "test"))]
        for one in found["members"]
    ]
    return table(["accuracy", "train", "val", "test"], rows)


def _forerunner(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    rows = [[escape(one["method"]), _stated(one["published"]), *_parts(one)] for one in found["ways"]]
    rows += [[f"model {at}", "", *_parts(one)] for at, one in enumerate(found["members"], 1)]
    heads = ["accuracy", "published", "train", "val", "test"]
    return section("The forerunner's fourteen models", table(heads, rows) + notes(_not_here(found["not_here"])))


def _not_here(sentences: Sequence[str]) -> list[str]:
    return [f"Cannot be re-run here: {one}." for one in sentences]


def _stated(published: Sequence[float] | None) -> str:
    return "" if published is None else " / ".join(f"{value:.4f}" for value in published)


def _parts(one: dict[str, Any]) -> list[str]:
    return [cell(_of(one[split])) if split in one else "&ndash;" for split in ("train", "val", "test")]


def _way(found: dict[str, Any], method: str, space: str = "logits") -> dict[str, Any]:
    return next(one for one in found["ways"] if (one["method"], one["space"]) == (method, space))


def _of(figure: dict[str, Any]) -> Estimate:
    return Estimate(**figure)
