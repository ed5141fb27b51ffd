"""Many small heads on the same frozen features, all folds and seeds at once, as products of stacked matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from emolens.data.pictures import LabelledPictures
from emolens.learn.losses_evoked import handed_to_neighbours, wheel_emd
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.nets.wheel_prior import INITS, PriorOn, WheelPrior, prior_matrix
from emolens.learn.studies.frozen import PLAIN
from emolens.taxonomy import Taxonomy

LAMBDA = 0.7
BATCH, RATE, MOMENTUM, DECAY = 32, 0.01, 0.9, 5e-4
"""Batch, and SGD of the classifier, as in the published code."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to build and to teach the head: a row of the study's table."""

    init: str = "none"
    legacy: bool = False
    prior: Literal["frozen", "trained"] = "frozen"
    on: PriorOn = "logits"
    smoothing: float = 0.0
    emd: float = 0.0
    label: float = 1 - LAMBDA

    @property
    def name(self) -> str:
        """For the table, as `original, frozen, legacy head`."""
        words = [self.init] if self.init == "none" else [self.init, self.prior]
        words += ["on probabilities"] * (self.on == "probabilities")
        words += [f"wheel smoothing {self.smoothing:g}"] * bool(self.smoothing)
        words += [f"wheel EMD {self.emd:g}"] * bool(self.emd)
        words += ["KL only"] * (not self.label)
        return ", ".join([*words, "legacy head" if self.legacy else "corrected head"])


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What became of an arm. S seeds, F folds, N pictures, E epochs.

    `held_out` float32 (S, N, K): the probabilities of each picture from the head that did not see it. `on_training`
    float32 (S, F, N, K): of augmented pictures, rows of the own fold included. `curve` (E, 2): KL and accuracy against
    the keyword on held-out pictures, mean over seeds. `before` and `after` (K, K): the wheel layer of the first fold
    and seed, None without one.
    """

    arm: Arm
    held_out: np.ndarray
    on_training: np.ndarray
    curve: np.ndarray
    before: np.ndarray | None
    after: np.ndarray | None


class Crowd:
    """The heads of one arm: one a fold and seed, their weights stacked, taught together."""

    def __init__(self, arm: Arm, pictures: LabelledPictures, folds: np.ndarray, seeds: int, width: int) -> None:
        self.arm, self.taxonomy = arm, pictures.taxonomy
        self.runs = [(seed, fold) for seed in range(seeds) for fold in range(int(folds.max()) + 1)]
        heads = [_head(arm, pictures, folds != fold, width, seed) for seed, fold in self.runs]
        self.head = heads[0]
        self.weights, _ = stack_module_state(heads)
        moved = [weight for weight in self.weights.values() if weight.requires_grad]
        self.optimiser = torch.optim.SGD(moved, RATE, MOMENTUM, weight_decay=DECAY)

    def answer(self, pooled: Tensor, own: bool, training: bool = False) -> Tensor:
        """Logits (R, n, K) of each head for its own features (R, n, D), or for the same (n, D)."""
        self.head.train(training)

        def one(weights: dict[str, Tensor], x: Tensor) -> Tensor:
            logits: Tensor = functional_call(self.head, weights, (x,))["logits"]
            return logits

        found: Tensor = vmap(one, in_dims=(0, 0 if own else None), randomness="different")(self.weights, pooled)
        return found

    def learn(self, pooled: Tensor, targets: Tensor, keyword: Tensor) -> None:
        """One step of every head on its own batch: features (R, n, D), targets (R, n, K), keyword (R, n)."""
        logits = self.answer(pooled, own=True, training=True)
        flat = logits.flatten(0, 1)
        targets, keyword = targets.flatten(0, 1), keyword.flatten()
        if self.arm.smoothing:
            targets = handed_to_neighbours(targets, self.taxonomy, self.arm.smoothing)
        share = 1 - self.arm.label
        loss = share * torch.nn.functional.cross_entropy(flat, targets)
        loss = loss + self.arm.label * torch.nn.functional.cross_entropy(flat, keyword, ignore_index=-1)
        if self.arm.emd:
            loss = loss + self.arm.emd * wheel_emd(flat, targets, self.taxonomy)
        self.optimiser.zero_grad()
        whole: Tensor = loss * len(self.runs)  # the mean over all heads, back to one loss a head
        whole.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def layer(self) -> np.ndarray | None:
        """The wheel layer of the first head."""
        weight = self.weights.get("prior.weight")
        return None if weight is None else weight[0].detach().numpy().copy()


def _head(arm: Arm, pictures: LabelledPictures, train: np.ndarray, width: int, seed: int) -> WheelHead:
    torch.manual_seed(seed)
    matrix = prior_matrix(arm.init, pictures.taxonomy, pictures.targets[train], seed=seed)
    prior = None if matrix is None else WheelPrior(matrix, arm.prior == "trained", arm.on)
    head = WheelHead(width, len(pictures.taxonomy), prior, arm.legacy)
    head.values.requires_grad_(False)  # valence and arousal are not this study's question
    return head


def teach(
    arm: Arm, features: np.ndarray, pictures: LabelledPictures, folds: np.ndarray, seeds: int, epochs: int
) -> Taught:
    """Teach an arm on every fold with every seed. `features` (views, N, D), `folds` (N,) from 0."""
    seen = torch.from_numpy(features)
    crowd = Crowd(arm, pictures, folds, seeds, features.shape[2])
    before = crowd.layer()
    targets, keyword = torch.from_numpy(pictures.targets), torch.from_numpy(pictures.keyword)
    rows = [np.flatnonzero(folds != fold) for _, fold in crowd.runs]
    steps = min(len(each) for each in rows) // BATCH
    curve = []
    torch.manual_seed(0)
    for epoch in range(epochs):
        chances = [np.random.default_rng((seed, fold, epoch)) for seed, fold in crowd.runs]
        order = np.stack([c.permutation(each)[: steps * BATCH] for c, each in zip(chances, rows, strict=True)])
        views = np.stack([c.integers(0, len(features), steps * BATCH) for c in chances])
        for at in range(0, steps * BATCH, BATCH):
            took, view = order[:, at : at + BATCH], views[:, at : at + BATCH]
            crowd.learn(seen[view, took], targets[took], keyword[took])
        curve.append(_point(_held_out(crowd, seen, folds), pictures))
    return Taught(arm, _held_out(crowd, seen, folds), _on_training(crowd, seen), np.array(curve), before, crowd.layer())


@torch.no_grad()
def _held_out(crowd: Crowd, seen: Tensor, folds: np.ndarray) -> np.ndarray:
    """(S, N, K): each picture and its mirror image, by the head of its seed that did not see it."""
    found = torch.stack([crowd.answer(seen[view], own=False).softmax(dim=2) for view in range(PLAIN)]).mean(dim=0)
    by_fold = found.reshape(-1, int(folds.max()) + 1, *found.shape[1:])  # (S, F, N, K)
    held_out: np.ndarray = by_fold[:, torch.from_numpy(folds), torch.arange(len(folds))].numpy()
    return held_out


@torch.no_grad()
def _on_training(crowd: Crowd, seen: Tensor) -> np.ndarray:
    """(S, F, N, K): every picture in a random view, by every head."""
    view = torch.randint(PLAIN, len(seen), (seen.shape[1],), generator=torch.Generator().manual_seed(0))
    found = crowd.answer(seen[view, torch.arange(seen.shape[1])], own=False).softmax(dim=2)
    seeds = len({seed for seed, _ in crowd.runs})
    by_fold: np.ndarray = found.reshape(seeds, -1, *found.shape[1:]).numpy()
    return by_fold


def _point(held_out: np.ndarray, pictures: LabelledPictures) -> tuple[float, float]:
    from emolens.evaluation.metrics import divergence

    kl = np.mean([divergence(each, pictures.targets).mean() for each in held_out])
    accuracy = np.mean(held_out.argmax(axis=2) == pictures.keyword)
    return float(kl), float(accuracy)


Teach = Callable[[Arm], Taught]


def grid(taxonomy: Taxonomy) -> list[Arm]:
    """Every initialisation with either head, frozen and trained, then the other uses of the wheel."""
    arms = [Arm(legacy=legacy) for legacy in (False, True)]
    for init in INITS[1:]:
        arms += [Arm(init, legacy, prior) for legacy in (False, True) for prior in ("frozen", "trained")]
    return [
        *arms,
        Arm(label=0),
        Arm("original", on="probabilities"),
        Arm("original", prior="trained", on="probabilities"),
        Arm(smoothing=0.2),
        Arm(smoothing=0.5),
        Arm(emd=0.2),
    ]
