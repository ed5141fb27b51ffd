"""Figures apart: by an attribute of the rows, and by the sets that a combined set is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emolens.errors import OptionError, UnknownName
from emolens.evaluation.classes import DRAWS, balanced_accuracy, confusion, confusion_draws, interval, macro_f1
from emolens.evaluation.metrics import Estimate, divergence, share_estimate
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import SOURCE

MOST_GROUPS = 24
MOST_NUMBERS = 12
"""An attribute with more different numbers is cut into quarters of the rows."""
UNKNOWN = "(not known)"
SOURCES = {
    "CK+48": "CK+",
    "RAF": "RAF-DB",
    "aff": "AffectNet (repack)",
    "ckplus": "CK+",
    "rafdb": "RAF-DB",
    "affectnet": "AffectNet",
}
"""The sets in the lists of the DAN + EfficientNet project, by the folder that holds them, and by our names."""
SWAPPED = (
    "The source's table swaps two counts: it prints 1,729 test pictures for RAF-DB and 1,172 for AffectNet; its files "
    "hold 1,172 of RAF-DB and 1,729 of AffectNet. Published there: EfficientNet-b3 99 / 88.9 / 77.8, DAN 98.9 / 91.6 / "
    "92.1, with the subjects of CK+ in training too and RAF-DB in a split of its own."
)


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Figures of the rows whose `attribute` is `value`; of a mean over groups, `value` says so and `n` is their sum."""

    attribute: str
    value: str
    n: int
    figures: dict[str, Estimate]


def by_attribute(predictions: Predictions, name: str) -> tuple[GroupFigures, ...]:
    """The figures of every group of an attribute, the largest group first.

    Raises `UnknownName` for an attribute that the rows have not, `OptionError` for one that tells every row apart.
    """
    values, (groups, counts) = groups_of(predictions.attributes, name, predictions.data)
    order = np.argsort(-counts, kind="stable")
    return tuple(_group(predictions.keep(values == groups[at]), name, str(groups[at]))[0] for at in order)


def groups_of(
    attributes: Mapping[str, np.ndarray], name: str, data: str = ""
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The group of each row (N,), and the groups with their sizes. Raises as `by_attribute`."""
    if name not in attributes:
        raise UnknownName(f"attribute of {data or 'these rows'}", name, attributes)
    values = _in_quarters(attributes[name])
    groups, counts = np.unique(values, return_counts=True)
    if len(groups) > MOST_GROUPS:
        raise OptionError(f"--by {name}: {len(groups)} different values, at most {MOST_GROUPS} groups can be judged")
    return values, (groups, counts)


def by_source(predictions: Predictions) -> tuple[GroupFigures, ...]:
    """Of a combined set: the figures of each source and, last, their mean, in which every source counts alike.

    Empty for a set that is not made of several.
    """
    values = predictions.attributes.get(SOURCE)
    there = [] if values is None else [name for name in SOURCES if (values == name).any()]
    if values is None or len(there) < 2:
        return ()
    found = [_group(predictions.keep(values == name), SOURCE, SOURCES[name], seed) for seed, name in enumerate(there)]
    draws = {figure: np.mean([drawn[figure] for _, drawn in found], axis=0) for figure in found[0][1]}
    n = sum(group.n for group, _ in found)
    means = {
        figure: interval(float(np.mean([group.figures[figure].value for group, _ in found])), draws[figure], n)
        for figure in draws
    }
    return (*(group for group, _ in found), GroupFigures(SOURCE, f"macro mean of {len(there)}", n, means))


def _group(rows: Predictions, name: str, value: str, seed: int = 0) -> tuple[GroupFigures, dict[str, np.ndarray]]:
    """The figures of one group, and the bootstrap draws of each."""
    counts = confusion(rows.truth, rows.guess, len(rows.taxonomy))
    draws = confusion_draws(counts, seed=seed)
    shares = {"accuracy": _accuracy, "balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}
    distances = divergence(rows.probabilities, rows.targets)
    values = {figure: float(share(counts)) for figure, share in shares.items()} | {"kl": float(distances.mean())}
    drawn = {figure: share(draws) for figure, share in shares.items()} | {"kl": _means(distances, seed)}
    figures = {figure: interval(values[figure], drawn[figure], len(rows)) for figure in values}
    figures["accuracy"] = share_estimate(int(np.trace(counts)), len(rows))
    return GroupFigures(name, value, len(rows), figures), drawn


def _means(values: np.ndarray, seed: int) -> np.ndarray:
    """Bootstrap draws of a mean, (DRAWS,)."""
    chance, n = np.random.default_rng(seed), len(values)
    return np.array([values[chance.integers(0, n, n)].mean() for _ in range(DRAWS)])


def _accuracy(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def _in_quarters(values: np.ndarray) -> np.ndarray:
    """Texts as they are; many different numbers as the quarter of the rows that they lie in."""
    named = np.where(values == "", UNKNOWN, values)
    known = values[values != ""]
    try:
        numbers = known.astype(float)
    except ValueError:
        return named
    if len(endless := known[~np.isfinite(numbers)]):  # as nan, which stands for a value that is not known
        return _in_quarters(np.where(np.isin(values, endless), "", values))
    if len(np.unique(numbers)) <= MOST_NUMBERS:
        return named
    edges = np.quantile(numbers, [0.25, 0.5, 0.75])
    low, high = [numbers.min(), *edges], [*edges, numbers.max()]
    labels = np.array([f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True)])
    found = named.astype(object)
    found[values != ""] = labels[np.searchsorted(edges, numbers, side="left")]
    return found.astype(str)
