"""Can the emotion be told from the map alone?

EmotionROI-ex trained a residual net on the maps and reported 24.1 % on training pictures and 17.2 % on test pictures,
where chance is 16.7 %, without an interval. Here every map is judged by a net that has not seen it, and the hits are
held against what the same answers score on shuffled labels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from emolens.data.mapped import MappedPictures, join_mapped
from emolens.data.splits import FOLDS, stratified_folds
from emolens.errors import DataError
from emolens.evaluation.metrics import mean_estimate
from emolens.learn.config import MapAugment
from emolens.learn.joint import random_crops
from emolens.learn.nets.map_classifier import MapClassifier
from emolens.learn.optimisers import decay_groups, warm_cosine
from emolens.learn.studies import Effort, Say
from emolens.learn.studies.pages import heat_map, html_table, write_study
from emolens.learn.transforms import warp

TITLE = "Can the emotion be told from the map alone?"
PUBLISHED = {"train": 0.24098, "test": 0.17172}
"""EmotionROI-ex, 1,386 and 594 maps: one run, no interval, a rate of 0.1."""
SIDE = 64
BACKBONE = "resnet18"
RATE, DECAY, BATCH = 1e-3, 0.05, 32
SHUFFLES = 10_000
AUGMENT = MapAugment(crop=0.6, light=0)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Held-out classes (S, N) of each seed, and the share of hits on the maps that a net learnt from, (S, folds)."""

    held_out: np.ndarray
    on_training: np.ndarray


def run(data: Path, out: Path, effort: Effort, say: Say) -> Path:
    """Teach a net a fold and seed, test the hits against chance; write results, plots and the page.

    Raises `DataError` where the set has no maps or no emotions.
    """
    rows = _whole(data)
    folds = stratified_folds(rows.labels(), FOLDS)
    found = answers(rows, folds, effort, say)
    results = judged(found, rows, folds, effort)
    say(f"held out {results['accuracy']['value']:.3f}, chance {results['chance']:.3f}, p = {results['p_value']:.4f}")
    plots = {
        "chance": _chance_plot(results, shuffled(found.held_out, rows.emotion, folds)),
        "confusion": _confusion_plot(_confusion(found.held_out, rows), rows.taxonomy.classes),
    }
    return write_study(out, results, plots, TITLE, _body(results))


def _whole(data: Path) -> MappedPictures:
    """Every split of a prepared set as one."""
    rows = join_mapped(data, SIDE)
    if (rows.emotion < 0).any():
        raise DataError(f"{data}: {rows.ids[rows.emotion < 0][0]} has no emotion to tell; leave it out")
    return rows


def answers(rows: MappedPictures, folds: np.ndarray, effort: Effort, say: Say, name: str = BACKBONE) -> Answers:
    """What nets that have not seen a map say of it. `folds` (N,) from 0; each net learns from all others."""
    maps = torch.from_numpy(rows.maps).unsqueeze(1).float() / 255
    emotion = torch.from_numpy(rows.emotion)
    count = int(folds.max()) + 1
    held_out = np.empty((effort.seeds, len(rows)), np.int64)
    on_training = np.empty((effort.seeds, count))
    for seed in range(effort.seeds):
        for fold in range(count):
            own = torch.from_numpy(folds == fold)
            net = taught(maps[~own], emotion[~own], len(rows.taxonomy), effort.epochs, seed, name)
            held_out[seed, folds == fold] = _classes(net, maps[own]).numpy()
            on_training[seed, fold] = float((_classes(net, maps[~own]) == emotion[~own]).float().mean())
            say(
                f"seed {seed}, fold {fold + 1} of {count}: {(held_out[seed] == rows.emotion)[folds == fold].mean():.3f}"
            )
    return Answers(held_out, on_training)


def taught(maps: Tensor, emotion: Tensor, classes: int, epochs: int, seed: int, name: str = BACKBONE) -> MapClassifier:
    """A net taught on maps (N, 1, S, S) and their emotions (N,)."""
    torch.manual_seed(seed)
    net = MapClassifier(classes, name).train()
    moved = torch.optim.AdamW(decay_groups(net, DECAY), RATE)
    each = min(BATCH, len(maps))
    steps = epochs * (len(maps) // each)
    rate = torch.optim.lr_scheduler.LambdaLR(moved, lambda step: warm_cosine(step, steps // 10, steps))
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(maps))[: len(maps) // each * each], each):
            moved.zero_grad()
            seen = warp(maps[batch], random_crops(len(batch), AUGMENT))
            functional.cross_entropy(net(seen)["logits"], emotion[batch]).backward()  # type: ignore[no-untyped-call]
            moved.step()
            rate.step()
    return net.eval()


@torch.inference_mode()
def _classes(net: MapClassifier, maps: Tensor) -> Tensor:
    return torch.cat([net(part)["logits"].argmax(dim=1) for part in torch.split(maps, 256)])


def judged(found: Answers, rows: MappedPictures, folds: np.ndarray, effort: Effort) -> dict[str, Any]:
    """The figures of held-out answers: accuracy with its interval over maps, and how likely chance alone has it."""
    hits = (found.held_out == rows.emotion).mean(axis=0)
    null = shuffled(found.held_out, rows.emotion, folds)
    return {
        "n": len(rows),
        "classes": list(rows.taxonomy.classes),
        "folds": int(folds.max()) + 1,
        "seeds": effort.seeds,
        "epochs": effort.epochs,
        "net": BACKBONE,
        "accuracy": asdict(mean_estimate(hits)),
        "by_seed": (found.held_out == rows.emotion).mean(axis=1).tolist(),
        "on_training": float(found.on_training.mean()),
        "chance": float(null.mean()),
        "chance_interval": np.percentile(null, [2.5, 97.5]).tolist(),
        "p_value": float((1 + (null >= hits.mean() - 1e-12).sum()) / (1 + len(null))),
        "shuffles": len(null),
        "published": PUBLISHED,
    }


def shuffled(held_out: np.ndarray, emotion: np.ndarray, folds: np.ndarray, draws: int = SHUFFLES) -> np.ndarray:
    """The accuracy of the same answers (S, N) on labels (N,) that are shuffled within their folds, (draws,).

    Within a fold no net has seen the labels, so under "the map tells nothing" each order of them is as likely: the test
    is exact, whatever the nets do.
    """
    chance = np.random.default_rng(0)
    places = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    found = np.empty(draws)
    labels = emotion.copy()
    for draw in range(draws):
        for rows in places:
            labels[rows] = chance.permutation(emotion[rows])
        found[draw] = (held_out == labels).mean()
    return found


def _confusion(held_out: np.ndarray, rows: MappedPictures) -> np.ndarray:
    """Shares (K, K): rows are the true emotions and sum to 1."""
    size = len(rows.taxonomy)
    counts = np.zeros((size, size))
    for one in held_out:
        np.add.at(counts, (rows.emotion, one), 1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _confusion_plot(shares: np.ndarray, classes: tuple[str, ...]) -> Figure:
    figure = Figure(figsize=(5, 4.5))
    heat_map(figure.subplots(), shares, classes, "held out: true emotion (rows), answer (columns)", 1)
    return figure


def _chance_plot(results: dict[str, Any], null: np.ndarray) -> Figure:
    figure = Figure(figsize=(7, 3))
    axis = figure.subplots()
    axis.hist(null, bins=40, color="0.7", label="the same answers on shuffled labels")
    axis.axvline(results["accuracy"]["value"], color="C3", label="held out")
    axis.axvline(PUBLISHED["test"], color="C0", linestyle="--", label="published (EmotionROI test)")
    axis.set_xlabel("accuracy")
    axis.set_yticks([])
    axis.legend(fontsize=8)
    return figure


def _body(results: dict[str, Any]) -> str:
    found, chance = results["accuracy"], results["chance_interval"]
    told = "more than chance" if results["p_value"] < 0.05 else "not more than chance would"
    rows = [
        ["held-out maps", f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"],
        ["chance, by shuffled labels", f"{results['chance']:.3f} [{chance[0]:.3f}, {chance[1]:.3f}]"],
        ["maps that were learnt from", f"{results['on_training']:.3f}"],
        ["published, test maps", f"{PUBLISHED['test']:.3f}"],
        ["published, training maps", f"{PUBLISHED['train']:.3f}"],
    ]
    return (
        f"<p>{results['n']} maps, {results['folds']} folds, {results['seeds']} seeds, {results['epochs']} epochs of "
        f"{results['net']} on {SIDE} pixels. The map tells {told}: p = {results['p_value']:.4f} by "
        f"{results['shuffles']:,} shuffles within folds.\n{html_table(['accuracy', ''], rows)}"
        '<p><img src="chance.png" alt="accuracy and chance"><p><img src="confusion.png" alt="confusion">'
    )
