"""Losses as functions of logits and targets, and what is done to targets and logits for rare classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from emolens.learn.config import Loss

SELDOM = 1e-3
"""Least share of a class that weights and adjustments reckon with."""


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of predictions (N, K) to distributions (N, K), mean over N; `weights` (K,) are of the classes.

    It differs from the Kullback-Leibler divergence by the entropy of the targets, a constant. Barsoum et al. (2016)
    found it the best of four ways to learn from FER+ votes together with drawing one vote at random.
    """
    return functional.cross_entropy(logits, targets, weights)


def prepared_targets(targets: Tensor, settings: Loss) -> Tensor:
    """Targets (N, K) as `settings` ask for: the distribution or its top label, smoothed (Szegedy et al. 2016)."""
    classes = targets.shape[1]
    if settings.targets == "label":
        targets = functional.one_hot(targets.argmax(dim=1), classes).to(targets)
    return targets * (1 - settings.smoothing) + settings.smoothing / classes


def mixed(images: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Each picture blended with another of the batch, and its target alike (mixup, Zhang et al. 2018)."""
    share = torch.distributions.Beta(alpha, alpha).sample((len(images),)).to(images)
    other = torch.randperm(len(images), device=images.device)
    by_picture = share.view(-1, 1, 1, 1)
    return by_picture * images + (1 - by_picture) * images[other], (
        share[:, None] * targets + (1 - share[:, None]) * targets[other]
    )


def class_weights(shares: Tensor) -> Tensor:
    """Weights (K,) of classes with these shares, mean 1 over the rows, so that each class counts alike."""
    rare = shares.clamp_min(SELDOM)
    return 1 / rare / (shares / rare).sum()


def adjusted(logits: Tensor, shares: Tensor, tau: float) -> Tensor:
    """Logits (N, K) with the classes' log shares (K,) added, in training only (Menon et al. 2021, arXiv 2007.07314).

    What is learnt beneath them is fit for classes that are alike often: rare ones are missed less, common ones more.
    """
    return logits + tau * shares.clamp_min(SELDOM).log() if tau else logits
