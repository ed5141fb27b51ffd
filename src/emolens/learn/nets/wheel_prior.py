"""The wheel layer of EW-MTCNN: what it starts from, and how logits or probabilities pass through it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from emolens.errors import LabelError, OptionError, UnknownName
from emolens.taxonomy import Taxonomy
from emolens.wheel import wheel_place, wheel_prior

INITS = ("none", "original", "eye", "rand", "corr", "corr_softmax", "corr_log_softmax")
"""What the wheel layer starts from: no layer; the wheel; the identity; chance; correlations of the training targets."""

PriorOn = Literal["logits", "probabilities"]


def prior_matrix(
    init: str, taxonomy: Taxonomy, targets: np.ndarray | None = None, sigma: float = 0.6, seed: int = 0
) -> np.ndarray | None:
    """What the wheel layer starts from, float32 (K, K), or None for `none`.

    The `corr` ones are Pearson correlations of the columns of `targets` (N, K), which must be those of the training
    rows alone. `neutral` has no place on the wheel and keeps to itself. Raises `UnknownName` for an init that is not
    in `INITS`, `OptionError` for correlations without targets.
    """
    if init not in INITS:
        raise UnknownName("initialisation of the wheel layer", init, INITS)
    size = len(taxonomy)
    if init == "none":
        return None
    if init == "original":
        return wheel_with_neutral(taxonomy, sigma)
    if init == "eye":
        return np.eye(size, dtype=np.float32)
    if init == "rand":  # as torch draws the weights of a linear layer
        bound = 1 / np.sqrt(size)
        return np.random.default_rng(seed).uniform(-bound, bound, (size, size)).astype(np.float32)
    return _correlations(init, targets)


def wheel_with_neutral(taxonomy: Taxonomy, sigma: float = 0.6) -> np.ndarray:
    """The wheel's prior, float32 (K, K); classes without a place, such as `neutral`, have a row of their own.

    Raises `LabelError` where fewer than two classes are on the wheel.
    """
    placed = [at for at, name in enumerate(taxonomy.classes) if wheel_place(name) is not None]
    if len(placed) < 2:
        raise LabelError(
            f"{len(placed)} of the classes of {taxonomy.name} are on the emotion wheel, 2 or more are needed; take "
            "init none, eye, rand or corr"
        )
    on_wheel = Taxonomy(taxonomy.name, tuple(taxonomy.classes[at] for at in placed))
    prior = np.eye(len(taxonomy), dtype=np.float32)
    prior[np.ix_(placed, placed)] = wheel_prior(on_wheel, sigma)
    return prior


def _correlations(init: str, targets: np.ndarray | None) -> np.ndarray:
    if targets is None:
        raise OptionError(f"init {init} needs the distributions of the training rows; give a set that has them")
    found = np.nan_to_num(np.corrcoef(targets.T))  # a class that is never felt correlates with nothing
    if init == "corr":
        return np.asarray(found, np.float32)
    powers = np.exp(found)
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(shares if init == "corr_softmax" else np.log(shares), dtype=np.float32)


class WheelPrior(nn.Module):
    """The wheel layer: a K x K matrix without bias over logits (N, K), or over probabilities.

    On logits, as in the source: out_i = sum_j W_ij logit_j, although the wheel is a matrix of probabilities. On
    probabilities each class hands its share to its neighbours: p'_i = sum_j p_j W_ji, and the output is log p'. There W
    is kept a matrix of probabilities while it is trained.
    """

    def __init__(self, matrix: np.ndarray, trained: bool = False, on: PriorOn = "logits") -> None:
        super().__init__()
        if on == "probabilities" and matrix.min() < 0:
            raise OptionError(
                f"the wheel layer starts from a matrix with entries down to {matrix.min():.3f}, on probabilities it "
                "needs none below 0; take init original, eye or corr_softmax, or on=logits"
            )
        self.on = on
        self.weight = nn.Parameter(torch.tensor(matrix, dtype=torch.float32), requires_grad=trained)

    def forward(self, logits: Tensor) -> Tensor:
        if self.on == "logits":
            return logits @ self.weight.T
        handed = self.weight.clamp_min(0)
        handed = handed / handed.sum(dim=1, keepdim=True).clamp_min(1e-6)
        return (logits.softmax(dim=1) @ handed).clamp_min(1e-6).log()
