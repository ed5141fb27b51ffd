"""Losses as functions of what a net gives and of targets, and what is done to targets and logits for rare classes."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import torch
from torch import Tensor, nn
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


def affinity(features: Tensor, targets: Tensor, centres: Tensor) -> Tensor:
    """How far features (N, D) lie from the centres (K, D) of their classes, beside how far the centres lie apart.

    The squared distance, weighted by the targets (N, K), over the summed variance of the centres, mean over N (DAN, Wen
    et al. 2023, arXiv 2109.07270).
    """
    distances = (features[:, None] - centres).square().sum(dim=2)  # (N, K)
    apart = centres.var(dim=0).sum()
    return ((distances * targets).sum(dim=1) / apart).clamp(1e-12, 1e12).mean()


def partition(heads: Tensor) -> Tensor:
    """How alike heads (N, H, D) are: log(1 + H / their variance in each feature), 0 for a single head (DAN)."""
    count = heads.shape[1]
    if count < 2:
        return heads.new_zeros(())
    return (1 + count / (heads.var(dim=1).mean() + sys.float_info.epsilon)).log()


class AttentionLoss(nn.Module):
    """The affinity and partition losses of a net with heads, each with its weight; it holds the class centres (K, D).

    The centres learn with the net. The re-implementation by hyunyongPark left them out of its optimiser; `fixed` keeps
    them where they began, as it did.
    """

    def __init__(self, classes: int, width: int, settings: Loss) -> None:
        super().__init__()
        self.settings = settings
        self.centres = nn.Parameter(torch.randn(classes, width), requires_grad=settings.centres == "learnt")

    def forward(self, found: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        near = affinity(found["features"].float(), targets, self.centres)
        return self.settings.affinity * near + self.settings.partition * partition(found["heads"].float())
