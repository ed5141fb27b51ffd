"""Every row judged by a net that has not seen it: k runs, each with another fold as its `val`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emolens.data.labelled import LabelledFaces
from emolens.data.mapped import MappedPictures
from emolens.data.pictures import LabelledPictures
from emolens.errors import OptionError, OutputError
from emolens.evaluation.distributions import per_picture
from emolens.evaluation.map_asking import BATCH
from emolens.evaluation.maps import METRICS
from emolens.evaluation.metrics import Estimate, divergence, hits, mean_estimate
from emolens.learn.config import EvokedRecipe, ExpressionRecipe, FoldedData, Optim, Recipe, StimuliRecipe, changed
from emolens.learn.devices import Devices
from emolens.learn.fit import ONE, fit
from emolens.learn.loading import rows_of
from emolens.learn.predict import load_member, logits
from emolens.learn.predict_evoked import answers, load_evoked
from emolens.learn.predict_maps import run_maps
from emolens.learn.runs import last_checkpoint
from emolens.learn.tasks.evoked import pictures_of
from emolens.learn.tasks.stimuli import mapped_of
from emolens.models.classifier import softmax
from emolens.places import FOLD


@dataclass(frozen=True, slots=True)
class FoldFigure:
    """One figure over the folds: of each fold, their mean and standard deviation, and of all rows together.

    `steered_by` names the settings that acted on the rows that it is of.
    """

    name: str
    folds: tuple[float, ...]
    pooled: Estimate
    steered_by: str = ""

    def __str__(self) -> str:
        one = self.pooled
        steered = f"; it flatters, {self.steered_by} acted on these rows" if self.steered_by else ""
        return (
            f"out of fold, {self.name}: {self.mean:.4f} ± {self.spread:.4f} over {len(self.folds)} folds; "
            f"all {one.n} rows {one.value:.4f} ({one.low:.4f} to {one.high:.4f}){steered}"
        )

    @property
    def mean(self) -> float:
        return float(np.mean(self.folds))

    @property
    def spread(self) -> float:
        """Standard deviation over the folds, with n - 1."""
        return float(np.std(self.folds, ddof=1))


def fit_folds(
    recipe: Recipe, data: Path, run: Path, folds: int, resume: bool = False, progress: bool = True,
    devices: Devices = ONE,
) -> tuple[FoldFigure, ...]:  # fmt: skip
    """Train a recipe once a fold into `run/fold-0`, `run/fold-1`, ..., and judge each on its own fold.

    The figures are of the last checkpoint, which is not chosen on the fold that it is judged on, but where the recipe
    has `optim.stop_after` or the schedule `plateau`, that fold says when to stop or to slow down: such figures
    flatter, and say so. With `resume` folds that have a checkpoint go on and the others begin. Raises `OptionError` for
    a recipe of a task without folds and for fewer than two, `OutputError` where a fold's run is there and not resumed,
    and what `fit` raises.
    """
    if isinstance(recipe, ExpressionRecipe) and recipe.data.join_val:
        raise OptionError("data.join_val learns from val, which is the fold that a run of folds is judged on; drop it")
    if not isinstance(recipe.data, FoldedData):
        raise OptionError(
            f"recipe {recipe.name} is of task {recipe.task}; --folds is for expression, evoked and stimuli"
        )
    if folds < 2:
        raise OptionError(f"--folds is {folds}, needs 2 or more")
    parts = [(changed(recipe, [f"data.folds={folds}", f"data.fold={k}"]), run / f"{FOLD}{k}") for k in range(folds)]
    begun = [place for _, place in parts if last_checkpoint(place).is_file()]
    if begun and not resume:
        raise OutputError(f"{begun[0]}: holds a run already; give --resume to go on or another --out to start anew")
    for part, place in parts:
        fit(part, data, place, resume=place in begun, progress=progress, devices=devices)
    return pooled([_fold_figures(part, data, place) for part, place in parts], _steering(recipe.optim))


def _steering(optim: Optim) -> str:
    """The settings that let `val` say how a run goes on."""
    acting = {"optim.stop_after": optim.stop_after > 0, "optim.schedule=plateau": optim.schedule == "plateau"}
    return " and ".join(name for name, acts in acting.items() if acts)


def _fold_figures(recipe: Recipe, data: Path, run: Path) -> dict[str, np.ndarray]:
    """The figures of each row of a run's own fold, (N,) each."""
    if isinstance(recipe, StimuliRecipe):
        return map_figures(run, mapped_of(recipe, data, "val"))
    if isinstance(recipe, EvokedRecipe):
        return picture_figures(run, pictures_of(recipe, data, "val"))
    assert isinstance(recipe, ExpressionRecipe)
    return row_figures(run, rows_of(recipe, data, "val"))


def out_of_fold(runs: Sequence[tuple[Path, LabelledFaces]]) -> tuple[FoldFigure, ...]:
    """Accuracy and KL of runs, each on its own rows. A picture is seen once, as it is."""
    return pooled([row_figures(run, rows) for run, rows in runs])


def pooled(found: Sequence[Mapping[str, np.ndarray]], steered_by: str = "") -> tuple[FoldFigure, ...]:
    """Every figure over the folds: `found` has each fold's, one value a row."""
    return tuple(
        FoldFigure(
            name, tuple(float(one[name].mean()) for one in found), mean_estimate(np.concatenate(column)), steered_by
        )
        for name in found[0]
        for column in [[one[name] for one in found]]
    )


def map_figures(run: Path, rows: MappedPictures, checkpoint: str = "last") -> dict[str, np.ndarray]:
    """`mae` and `cc` of a run on stimuli maps, of each of `rows` (N,), at the size of the net's input."""
    model = run_maps(run, checkpoint)
    told = rows.emotion if len(model.labels) > 1 else np.zeros(len(rows), int)
    found = np.concatenate([model.every(rows.images[at : at + BATCH]) for at in range(0, len(rows), BATCH)])
    pairs = [(maps[at], true / 255) for maps, at, true in zip(found, told.tolist(), rows.maps, strict=True)]
    return {name: np.array([METRICS[name](*pair) for pair in pairs]) for name in ("mae", "cc")}


def picture_figures(run: Path, pictures: LabelledPictures, checkpoint: str = "last") -> dict[str, np.ndarray]:
    """`kl`, `cosine`, `intersection` and the like of a run on each picture (N,)."""
    predicted = softmax(answers(load_evoked(run, checkpoint), pictures.images)["logits"])
    return per_picture(predicted, pictures.targets, pictures.keyword)


def row_figures(run: Path, rows: LabelledFaces, checkpoint: str = "last") -> dict[str, np.ndarray]:
    """`accuracy` and `kl` of a run on each of `rows` (N,)."""
    predicted = softmax(logits(load_member(run, checkpoint), rows.images))
    return {"accuracy": hits(predicted, rows.targets), "kl": divergence(predicted, rows.targets)}
