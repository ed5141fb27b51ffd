"""A report folder: figures.json, predictions.parquet, plots as PNG and SVG, and a page that needs nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from emolens.evaluation import plots
from emolens.evaluation.compare import Comparison
from emolens.evaluation.curves import operating_points
from emolens.evaluation.embedding import can_be_placed, embedded
from emolens.evaluation.expression import Judgement
from emolens.evaluation.groups import GroupFigures
from emolens.evaluation.storing import write_predictions
from emolens.evaluation.training import Curves
from emolens.files import replacing_report
from emolens.places import FIGURES


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture in a report, RGB uint8 (H, W, 3), and what stands below it: its row's `id`, what the model `said`, the
    `truth` that people said. `heat`: where its net looked, the same size.
    """

    id: str
    picture: np.ndarray
    said: str
    truth: str
    heat: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a report says. `judgements`: one for each named subset, the first in full; `comparisons` are in their order.

    `second`: the other model's judgement on the first subset. `groups`: attribute -> groups; `sources`: the sets of a
    combined set and their mean. `worst` and `looked` are pictures. `notes` are sentences. `version` is that of emolens.
    """

    title: str
    judgements: Sequence[Judgement]
    comparisons: Sequence[Comparison] = ()
    second: Judgement | None = None
    groups: Mapping[str, Sequence[GroupFigures]] = field(default_factory=dict)
    sources: Sequence[GroupFigures] = ()
    training: Curves | None = None
    worst: Sequence[Shown] = ()
    looked: Sequence[Shown] = ()
    notes: Sequence[str] = ()
    version: str = ""


def write_report(report: Report, folder: Path) -> Path:
    """Write the folder whole or not at all, in place of a report that was there. Returns its page.

    Raises `OutputError` where `folder` holds something else or cannot be written.
    """
    from emolens.evaluation.page import report_page

    with replacing_report(folder, FIGURES) as draft:
        drawn = _plots(report)
        (draft / "plots").mkdir()
        for name, figure in drawn.items():
            for kind in ("png", "svg"):
                (draft / "plots" / f"{name}.{kind}").write_bytes(plots.saved(figure, kind))
        write_predictions(report.judgements[0].predictions, draft / "predictions.parquet")
        (draft / FIGURES).write_text(json.dumps(figures(report), indent=1) + "\n", encoding="utf-8")
        pages = {name: plots.on_page(figure, name) for name, figure in drawn.items()}
        (draft / "index.html").write_text(report_page(report, pages), encoding="utf-8")
    return folder / "index.html"


def figures(report: Report) -> dict[str, Any]:
    """All figures of a report, ready for JSON; what is not defined is null."""
    first = report.judgements[0].predictions
    found: dict[str, Any] = _plain(
        {
            "emolens": report.version,
            "title": report.title,
            "model": first.model,
            "sha256": first.sha,
            "data": first.data,
            "splits": sorted(set(first.splits.tolist())),
            "classes": first.taxonomy.classes,
            "notes": report.notes,
            "subsets": [_subset(one) for one in report.judgements],
            "against": None if report.second is None else _subset(report.second),
            "comparisons": report.comparisons,
            "groups": report.groups,
            "sources": report.sources,
        }
    )
    return found


def _subset(judgement: Judgement) -> dict[str, Any]:
    return {
        "subset": judgement.subset,
        "n": len(judgement.predictions),
        "figures": judgement.figures,
        "ece_floor": judgement.ece_floor,
        "per_class": judgement.classes,
        "confusion": judgement.confusion,
        "reliability": judgement.reliability,
        "abstaining": operating_points(judgement.risk),
    }


def _plain(value: Any) -> Any:
    """Records and arrays in JSON's terms."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plots(report: Report) -> dict[str, Figure]:
    """The plots by the names of their files, those that there is something to show in."""
    first = report.judgements[0]
    predictions = first.predictions
    names = predictions.taxonomy.classes
    ece, floor = first.figures["ece_confidence"].value, first.ece_floor
    curves = [(predictions.name, first.risk)]
    if report.second is not None:
        curves.append((report.second.predictions.name, report.second.risk))
    drawn = {
        "classes": plots.classes_plot(first.classes),
        "confusion": plots.confusion_plot(first.confusion, names),
        "reliability": plots.reliability_plot(first.reliability, f"ECE {ece:.4f} (by chance alone {floor:.4f})"),
        "risk_coverage": plots.risk_plot(curves),
    }
    if report.training is not None:
        drawn["training"] = plots.training_plot(report.training)
    if predictions.features is not None and can_be_placed(predictions.features):
        rows, places = embedded(predictions.features)
        drawn["embedding"] = plots.embedding_plot(places, predictions.truth[rows], names)
    return drawn
