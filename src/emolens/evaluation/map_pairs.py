"""Predicted maps beside true ones: files matched by name, figures a picture, baselines, intervals."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from emolens.errors import DataError
from emolens.evaluation.maps import METRICS
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.files import replacing
from emolens.maps import WRITTEN, centre_prior, maps_below, read_map, resized

MEAN_SIDE = 64
"""Side in pixels at which the mean map is kept: it is smooth, and a data set of true maps would fill the memory."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures by picture. `figures[predictor][metric]` is float64 (N,), NaN where it is not defined.

    Predictors are `map` (what is judged), `centre` (a round hill in the middle) and, of two or more pictures, `mean`
    (the mean of all other true maps: nobody sees the picture's own).
    """

    names: tuple[str, ...]
    figures: dict[str, dict[str, np.ndarray]]

    def summary(self) -> dict[str, dict[str, Estimate]]:
        """The mean of each figure over the pictures where it is defined, with its bootstrap interval."""
        return {
            predictor: {
                metric: mean_estimate(values[np.isfinite(values)])
                for metric, values in found.items()
                if np.isfinite(values).any()
            }
            for predictor, found in self.figures.items()
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """A predicted map and its truth, each read when it is asked for, and what errors call them."""

    predicted: Callable[[], np.ndarray]
    truth: Callable[[], np.ndarray]
    names: tuple[str, str]


def judge_maps(predicted: Path, truth: Path) -> Judged:
    """Compare two files, or all files below two folders by their relative names without suffix.

    Of `a` in the folder of truths is `a` in the other, else `a_map`, as `emolens analyze --out` names it.

    A predicted map of another size is not stretched: it is an error. Raises `DataError` for maps that are missing,
    differ in size, or are black where the truth must say something, `InputError` for files that are no maps.
    """
    found = _pairs(predicted, truth)
    return judge_pairs(
        {
            name: Pair(partial(read_map, one), partial(read_map, true), (str(one), str(true)))
            for name, (one, true) in found.items()
        }
    )


def judge_pairs(pairs: Mapping[str, Pair]) -> Judged:
    """The figures of every pair, by its name. One map at a time is in memory. Raises `DataError` as `judge_maps`."""
    names = tuple(pairs)
    total = np.sum([_small(pair.truth()) for pair in pairs.values()], axis=0) if len(pairs) > 1 else None
    figures: dict[str, dict[str, list[float]]] = {}
    for pair in pairs.values():
        for predictor, found in _figures(pair, total, len(pairs)):
            for metric, value in found.items():
                figures.setdefault(predictor, {}).setdefault(metric, []).append(value)
    return Judged(names, {p: {m: np.array(v) for m, v in found.items()} for p, found in figures.items()})


def write_rows(judged: Judged, out: Path) -> None:
    """Write the figures of each picture as CSV, one row a picture; what is not defined is empty."""
    columns = [(predictor, metric) for predictor, found in judged.figures.items() for metric in found]
    with replacing(out) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", *(f"{predictor}_{metric}" for predictor, metric in columns)])
        for at, name in enumerate(judged.names):
            values = (float(judged.figures[predictor][metric][at]) for predictor, metric in columns)
            writer.writerow([name, *("" if math.isnan(value) else f"{value:.6g}" for value in values)])


def _figures(pair: Pair, total: np.ndarray | None, count: int) -> Iterator[tuple[str, dict[str, float]]]:
    found, true = pair.predicted(), pair.truth()
    predicted, truth = pair.names
    if found.shape != true.shape:
        raise DataError(f"{predicted}: a map of {_size(found)}, {truth} has {_size(true)}; make it of the same size")
    if not true.any():
        raise DataError(f"{truth}: all zero, it says nothing of where; leave the picture out")
    yield "map", _measured(found, true)
    yield "centre", _measured(centre_prior(*true.shape), true)
    if total is not None:
        others = (total - _small(true)) / (count - 1)
        yield "mean", _measured(resized(others, *true.shape[::-1]), true)


def _measured(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    one, other = found.astype(np.float64), true.astype(np.float64)
    return {name: metric(one, other) for name, metric in METRICS.items()}


def _pairs(predicted: Path, truth: Path) -> dict[str, tuple[Path, Path]]:
    if not predicted.is_dir() and not truth.is_dir():
        return {predicted.stem: (predicted, truth)}
    if not (predicted.is_dir() and truth.is_dir()):
        raise DataError(f"{predicted} and {truth}: one is a folder and one is not; give two files or two folders")
    found, true = maps_below(predicted), maps_below(truth)
    written = {name: (*name[:-1], name[-1] + WRITTEN) for name in true}
    found = {name: path for name in true if (path := found.get(name) or found.get(written[name]))}
    missing = ["/".join(name) for name in true if name not in found]
    if missing or not true:
        what = f"no map for {missing[0]} ({len(missing)} of {len(true)} are missing)" if true else "nothing to compare"
        raise DataError(f"{predicted}: {what}; each map in {truth} needs one of the same name")
    return {"/".join(name): (found[name], path) for name, path in true.items()}


def _small(values: np.ndarray) -> np.ndarray:
    return resized(values, MEAN_SIDE, MEAN_SIDE).astype(np.float64)


def _size(values: np.ndarray) -> str:
    return f"{values.shape[1]} x {values.shape[0]} pixels"
