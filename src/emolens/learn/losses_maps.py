"""Losses between predicted and true maps (N, 1, H, W), each a mean over the batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from emolens.learn.config import MapLoss

TINY = 1e-6


def map_loss(found: dict[str, Tensor], truth: Tensor, weights: MapLoss, linear: bool = False) -> Tensor:
    """The weighted sum of the losses between what a net of `nets.stimuli` found and the truth in [0, 1].

    A `linear` net is held to the truth before its output is cut to [0, 1]: past the cut no gradient comes back.
    """
    logits = found["logits"].float()
    map_ = logits if linear else found["map"].float()
    total = logits.sum() * 0
    if weights.mse:
        total = total + weights.mse * functional.mse_loss(map_, truth)
    if weights.bce:
        total = total + weights.bce * pixel_entropy(logits, truth)
    if weights.kl:
        total = total + weights.kl * pixel_divergence(map_.clamp_min(0), truth)
    return total


def pixel_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of every pixel, as in SalGAN (Pan et al. 2017, arXiv 1701.01081)."""
    return functional.binary_cross_entropy_with_logits(logits, truth)


def pixel_divergence(predicted: Tensor, truth: Tensor) -> Tensor:
    """Kullback-Leibler divergence from truth to prediction as distributions over pixels, in nats.

    As in SALICON (Huang et al. 2015) and by Jetley et al. (2016, arXiv 1804.01793). It says nothing
    of how bright a map is: give it together with another.
    """
    p = truth.flatten(1) + TINY
    q = predicted.flatten(1) + TINY
    p, q = p / p.sum(dim=1, keepdim=True), q / q.sum(dim=1, keepdim=True)
    return (p * (p / q).log()).sum(dim=1).mean()


def map_correlation(predicted: Tensor, truth: Tensor) -> Tensor:
    """Pearson's correlation over the pixels, mean over the batch; a map that is the same everywhere counts 0."""
    one, other = predicted.flatten(1).float(), truth.flatten(1).float()
    one, other = one - one.mean(dim=1, keepdim=True), other - other.mean(dim=1, keepdim=True)
    spread = (one.square().sum(dim=1) * other.square().sum(dim=1)).sqrt()
    return ((one * other).sum(dim=1) / spread.clamp_min(TINY)).mean()
