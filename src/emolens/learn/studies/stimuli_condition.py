"""Does a map follow the emotion that the net is told?

EmotionROI-ex told its net the emotion and found by eye that the maps hardly change. Here the label is swapped on
pictures that were not learnt from, and the move is measured beside the move from one picture to another, and beside
what it does to the agreement with the truth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from emolens.data.mapped import MappedPictures
from emolens.errors import OptionError, OutputError
from emolens.evaluation.map_asking import BATCH
from emolens.evaluation.metrics import Estimate
from emolens.learn.config import StimuliRecipe, changed
from emolens.learn.fit import fit
from emolens.learn.predict_maps import load_map_net, run_maps
from emolens.learn.recipes import recipe
from emolens.learn.runs import last_checkpoint, read_recipe
from emolens.learn.studies import Effort, Say
from emolens.learn.studies.label_swap import Swap, embedding_distances, swap_labels
from emolens.learn.studies.pages import heat_map, html_table, write_study
from emolens.learn.tasks.stimuli import mapped_of

TITLE = "Does the map follow the emotion?"
ARMS = {
    "FiLM": (),
    "beside the colours": ("net.condition=broadcast", "net.embedding=6"),
}
"""How the net is told, and the settings of `emofcnel` for it."""
OWN = {
    "seed": "give --seeds",
    "optim.epochs": "give --epochs",
    "net.condition": "its arms differ in it",
    "net.embedding": "its arms differ in it",
}
"""Settings that the study decides on, and what to do instead."""
SHOWN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One arm with one seed: its maps (N, K, S, S) of test pictures, what swapping did, its embeddings (K, E)."""

    name: str
    seed: int
    maps: np.ndarray
    swap: Swap
    embeddings: np.ndarray


def run(data: Path, out: Path, effort: Effort, say: Say) -> Path:
    """Train every arm with every seed below `out/runs`, swap labels on test; write results, plots and the page.

    Runs that are there already are not trained again. Raises `OutputError` where one has other settings, and what
    `fit` raises.
    """
    told: list[Told] = []
    chosen = _chosen("FiLM", 0, effort)
    rows = mapped_of(chosen, data, "test")
    for name in ARMS:
        for seed in range(effort.seeds):
            told.append(_told(name, seed, rows, data, out, effort))
            swap = told[-1].swap
            truth = f"CC with the truth {swap.own.value:.3f}, under other labels {swap.other.value:.3f}"
            say(f"{name}, seed {seed}: a swapped label moves a map {swap.share:.0%} as far as another picture; {truth}")
    classes = rows.taxonomy.classes
    results = {"about": _about(rows, effort), "arms": [_result(one, classes) for one in told]}
    first = [one for one in told if one.seed == 0]
    plots = {"pairs": _pairs_plot(first, classes), "embeddings": _embeddings_plot(first, classes)}
    plots["examples"] = _examples_plot(rows, first[0], classes)
    return write_study(out, results, plots, TITLE, _body(results, told))


def _chosen(name: str, seed: int, effort: Effort) -> StimuliRecipe:
    for setting in effort.settings:
        if (own := setting.partition("=")[0]) in OWN:
            raise OptionError(f"--set {setting}: {own} is the study's own; {OWN[own]}")
    settings = [f"optim.epochs={effort.epochs}", *ARMS[name], *effort.settings, f"seed={seed}"]
    found = changed(recipe("emofcnel"), settings)
    assert isinstance(found, StimuliRecipe)
    return found


def _told(name: str, seed: int, rows: MappedPictures, data: Path, out: Path, effort: Effort) -> Told:
    folder = out / "runs" / f"{name.replace(' ', '-').lower()}-{seed}"
    _trained(_chosen(name, seed, effort), data, folder)
    model = run_maps(folder)
    maps = np.concatenate([model.every(rows.images[at : at + BATCH]) for at in range(0, len(rows), BATCH)])
    embedding = load_map_net(folder).embedding
    assert embedding is not None
    swap = swap_labels(maps, rows.maps / 255, rows.emotion)
    return Told(name, seed, maps, swap, embedding.weight.detach().numpy().copy())


def _trained(chosen: StimuliRecipe, data: Path, folder: Path) -> None:
    """Train into `folder`, which has that name once it is whole; a run that was stopped goes on."""
    part = folder.with_name(f"{folder.name}.unfinished")
    begun = [place for place in (folder, part) if last_checkpoint(place).is_file()]
    if any(read_recipe(place) != chosen for place in begun):
        raise OutputError(f"{begun[0]}: holds a run with other settings; name another --out")
    if folder not in begun:
        fit(chosen, data, part, resume=part in begun, progress=False)
        part.replace(folder)


def _about(rows: MappedPictures, effort: Effort) -> dict[str, Any]:
    return {"n": len(rows), "seeds": effort.seeds, "epochs": effort.epochs, "classes": list(rows.taxonomy.classes)}


def _result(one: Told, classes: tuple[str, ...]) -> dict[str, Any]:
    swap = one.swap
    pairs = {
        f"{a}, {b}": {"cc": float(swap.cc[i, j]), "mae": float(swap.mae[i, j])}
        for i, a in enumerate(classes)
        for j, b in enumerate(classes)
        if i < j
    }
    figures = {name: asdict(getattr(swap, name)) for name in ("moved", "between", "own", "other", "gain")}
    distances = {name: matrix.tolist() for name, matrix in embedding_distances(one.embeddings).items()}
    return {
        "told": one.name, "seed": one.seed, **figures, "share_of_a_picture": swap.share, "follows": swap.follows,
        "pairs": pairs, "embedding_distances": distances,
    }  # fmt: skip


def _pairs_plot(told: list[Told], classes: tuple[str, ...]) -> Figure:
    figure = Figure(figsize=(9, 4 * len(told)))
    axes = figure.subplots(len(told), 2, squeeze=False)
    for row, one in zip(axes, told, strict=True):
        heat_map(row[0], one.swap.cc, classes, f"{one.name}: correlation of the maps under two labels", 1)
        heat_map(row[1], one.swap.mae, classes, f"{one.name}: mean absolute difference")
    figure.tight_layout()
    return figure


def _embeddings_plot(told: list[Told], classes: tuple[str, ...]) -> Figure:
    figure = Figure(figsize=(15, 3.9 * len(told)))
    axes = figure.subplots(len(told), 4, squeeze=False)
    for row, one in zip(axes, told, strict=True):
        for axis, (name, matrix) in zip(row, embedding_distances(one.embeddings).items(), strict=True):
            heat_map(axis, matrix, classes, f"{one.name}: {name}")
    figure.tight_layout()
    return figure


def _examples_plot(rows: MappedPictures, one: Told, classes: tuple[str, ...]) -> Figure:
    """A row each: picture, truth, and the map under each label."""
    places = np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)
    figure = Figure(figsize=(1.6 * (2 + len(classes)), 1.8 * len(places)))
    axes = figure.subplots(len(places), 2 + len(classes), squeeze=False)
    for line, at in zip(axes, places, strict=True):
        own = classes[rows.emotion[at]]
        shown = [(own, rows.images[at]), ("truth", rows.maps[at]), *zip(classes, 255 * one.maps[at], strict=True)]
        for axis, (name, picture) in zip(line, shown, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axis.set_title(name, fontsize=8, fontweight="bold" if name == own else "normal")
            axis.set_axis_off()
    return figure


def _body(results: dict[str, Any], told: list[Told]) -> str:
    about = results["about"]
    heads = ("told", "seed", "move by a label", "move by a picture", "share", "CC, own label", "CC, others", "gain", "")
    lines = [
        [
            one.name, str(one.seed), _cell(one.swap.moved), _cell(one.swap.between), f"{one.swap.share:.0%}",
            _cell(one.swap.own), _cell(one.swap.other), _cell(one.swap.gain),
            "follows the label" if one.swap.follows else "does not follow it",
        ]
        for one in told
    ]  # fmt: skip
    plots = "".join(f'<p><img src="{name}.png" alt="{name}">' for name in ("examples", "pairs", "embeddings"))
    return (
        f"<p>{about['n']} test pictures, {about['seeds']} seeds, at most {about['epochs']} epochs. Moves are mean "
        "absolute differences of maps in [0, 1]: of one picture under two labels, and of two pictures under one. CC is "
        "the correlation with the true map, gain the difference a picture; brackets are 95 % bootstrap intervals over "
        f"pictures.\n{html_table(heads, lines)}{plots}"
    )


def _cell(figure: Estimate) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
