"""Predicted maps beside true ones: files matched by name, figures a picture, baselines, intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from emolens.errors import DataError
from emolens.evaluation.maps import METRICS, centre_prior
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.maps import SUFFIXES, read_map

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


def judge_maps(predicted: Path, truth: Path) -> Judged:
    """Compare two files, or all files below two folders by their relative names without suffix.

    A predicted map of another size is not stretched: it is an error. Raises `DataError` for maps that are missing,
    differ in size, or are black where the truth must say something, `InputError` for files that are no maps.
    """
    pairs = _pairs(predicted, truth)
    names = tuple(pairs)
    total = np.sum([_small(read_map(true)) for _, true in pairs.values()], axis=0) if len(pairs) > 1 else None
    figures: dict[str, dict[str, list[float]]] = {}
    for one, true in pairs.values():
        for predictor, found in _figures(one, true, total, len(pairs)):
            for metric, value in found.items():
                figures.setdefault(predictor, {}).setdefault(metric, []).append(value)
    return Judged(names, {p: {m: np.array(v) for m, v in found.items()} for p, found in figures.items()})


def _figures(
    predicted: Path, truth: Path, total: np.ndarray | None, count: int
) -> Iterator[tuple[str, dict[str, float]]]:
    found, true = read_map(predicted), read_map(truth)
    if found.shape != true.shape:
        raise DataError(f"{predicted}: a map of {_size(found)}, {truth} has {_size(true)}; make it of the same size")
    if not true.any():
        raise DataError(f"{truth}: all zero, it says nothing of where; leave the picture out")
    yield "map", _measured(found, true)
    yield "centre", _measured(centre_prior(*true.shape), true)
    if total is not None:
        others = (total - _small(true)) / (count - 1)
        yield "mean", _measured(_resized(others, true.shape[1], true.shape[0]), true)


def _measured(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    one, other = found.astype(np.float64), true.astype(np.float64)
    return {name: metric(one, other) for name, metric in METRICS.items()}


def _pairs(predicted: Path, truth: Path) -> dict[str, tuple[Path, Path]]:
    if not predicted.is_dir() and not truth.is_dir():
        return {predicted.stem: (predicted, truth)}
    if not (predicted.is_dir() and truth.is_dir()):
        raise DataError(f"{predicted} and {truth}: one is a folder and one is not; give two files or two folders")
    found, true = _maps_below(predicted), _maps_below(truth)
    missing = [name for name in true if name not in found]
    if missing or not true:
        what = f"no map for {missing[0]} ({len(missing)} of {len(true)} are missing)" if true else "nothing to compare"
        raise DataError(f"{predicted}: {what}; each map in {truth} needs one of the same name")
    return {name: (found[name], path) for name, path in true.items()}


def _maps_below(folder: Path) -> dict[str, Path]:
    """Maps by their relative names without suffix. Raises `DataError` where two share one."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(f"{found[name]} and {path.name}: two maps of one name; keep one")
        found[name] = path
    return found


def _small(values: np.ndarray) -> np.ndarray:
    return _resized(values, MEAN_SIDE, MEAN_SIDE).astype(np.float64)


def _resized(values: np.ndarray, width: int, height: int) -> np.ndarray:
    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def _size(values: np.ndarray) -> str:
    return f"{values.shape[1]} x {values.shape[0]} pixels"
