"""Several models as one: weights and stacks that are chosen on one split and reported on another.

Every method sees the labels of the split it chooses on and no others. Its figure on that split is therefore flattered,
but for stacking, whose figure there is that of rows left out by cross-validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from emolens.errors import OptionError
from emolens.evaluation.calibration import at_its_bound, fit_temperature, one_hot_top
from emolens.evaluation.classes import confusion, confusion_draws, interval, macro_f1
from emolens.evaluation.metrics import TINY, hits, mean_estimate
from emolens.evaluation.predictions import Predictions, aligned
from emolens.evaluation.simplex import best_on_simplex
from emolens.evaluation.stacking import stacked
from emolens.evaluation.weighting import likelihood_weights
from emolens.models.classifier import softmax

Space = Literal["probabilities", "logits"]


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """One way to combine members: its `weights`, or none for a stack, its tables on both splits, and the `temperature`
    by which its confidence was calibrated where it was chosen.
    """

    method: str
    weights: tuple[float, ...]
    chosen: Predictions
    reported: Predictions
    temperature: float
    notes: dict[str, str] = field(default_factory=dict)


def combine(
    members: Sequence[Predictions],
    choose_on: str = "val",
    report: str = "test",
    space: Space = "probabilities",
    weights: Sequence[float] | None = None,
) -> list[Combined]:
    """Every method on the same members, and `given` first where `weights` are.

    `space` is what is averaged: probabilities, or logits as the group systems did. Raises `DataError` where the tables
    do not align, `OptionError` for weights or logits that are not there.
    """
    if choose_on == report:
        raise OptionError(f"weights would be chosen and reported on {report!r}; name two splits")
    if len(members) < 2:
        raise OptionError("one table is no ensemble; give two or more")
    choose, judge = ([one.split(name) for one in members] for name in (choose_on, report))
    aligned(choose)
    aligned(judge)
    known, new = _stack(choose, space), _stack(judge, space)
    found = [] if weights is None else [_weighted("given", _checked(weights, len(members)), choose, judge, space)]
    truth, target = choose[0].truth, choose[0].targets
    equal = np.full(len(members), 1 / len(members))
    simplex, how = best_on_simplex(known, truth)
    found += [
        _weighted("mean", equal, choose, judge, space),
        _weighted("simplex", simplex, choose, judge, space, search=how),
    ]
    if space == "probabilities":  # a likelihood needs distributions, and the stack takes their logarithms
        found.append(_weighted("nll", likelihood_weights(known, target), choose, judge, space))
        out_of_fold, predicted, strength = stacked(known, target, new)
        found.append(_combined("stacking", (), choose, judge, out_of_fold, predicted, C=f"{strength:g}"))
    return found


def figures(rows: Predictions) -> dict[str, Any]:
    """Accuracy and macro F1 with intervals, the confusion matrix in counts and in per cent of its rows."""
    counts = confusion(rows.truth, rows.guess, len(rows.taxonomy))
    f1 = interval(float(macro_f1(counts)), macro_f1(confusion_draws(counts)), len(rows))
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "accuracy": asdict(mean_estimate(hits(rows.probabilities, rows.targets))),
        "macro_f1": asdict(f1),
        "confusion": counts.tolist(),
        "confusion_percent": shares.round(2).tolist(),
    }


def _stack(tables: Sequence[Predictions], space: Space) -> np.ndarray:
    """What is averaged, float64 (M, N, K)."""
    lacking = [one.name for one in tables if space == "logits" and one.logits is None]
    if lacking:
        raise OptionError(f"{', '.join(lacking)} holds no logits; combine probabilities")
    scores = [one.logits if space == "logits" and one.logits is not None else one.probabilities for one in tables]
    return np.stack(scores).astype(np.float64)


def _checked(weights: Sequence[float], members: int) -> np.ndarray:
    given = np.array(weights, np.float64)
    if len(given) != members or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise OptionError(f"--weights is {list(weights)}; needs {members} numbers of 0 or more, one for each table")
    return np.asarray(given / given.sum())


def _weighted(
    method: str, weights: np.ndarray, choose: list[Predictions], judge: list[Predictions], space: Space, **notes: str
) -> Combined:
    mixed = [np.einsum("m,mnk->nk", weights, _stack(members, space)) for members in (choose, judge)]
    known, new = (softmax(one) if space == "logits" else one for one in mixed)
    return _combined(method, tuple(float(w) for w in weights), choose, judge, known, new, **notes)


def _combined(
    method: str,
    weights: tuple[float, ...],
    choose: list[Predictions],
    judge: list[Predictions],
    known: np.ndarray,
    new: np.ndarray,
    **notes: str,
) -> Combined:
    """Both tables of a combination, with a temperature for its confidence: how sure to be of the top label is another
    question than how votes spread, and is learnt where the weights are chosen.
    """
    temperature = fit_temperature(np.log(np.maximum(known, TINY)), one_hot_top(choose[0].targets))
    if at_its_bound(temperature):
        notes["confidence"] = "not calibrated: the temperature is at its bound"
    tables = (_table(choose, known, method, temperature), _table(judge, new, method, temperature))
    return Combined(method, weights, *tables, temperature, dict(notes))


def _table(members: Sequence[Predictions], probabilities: np.ndarray, method: str, temperature: float) -> Predictions:
    """The table of a combination; what only its members have is left out."""
    shares = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    confidence = softmax(np.log(np.maximum(shares, TINY)) / temperature).max(axis=1).astype(np.float32)
    name = f"{method} of {', '.join(one.name for one in members)}"
    return replace(
        members[0], probabilities=shares, confidence=confidence, logits=None, features=None, values=None,
        model=name, sha="",
    )  # fmt: skip
