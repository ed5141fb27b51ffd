"""Losses for distributions on the emotion wheel, and for valence and arousal."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emolens.data.pictures import SCALE
from emolens.learn.nets.wheel_prior import wheel_with_neutral
from emolens.taxonomy import Taxonomy
from emolens.wheel import WHEEL, wheel_place

OFF_WHEEL = len(WHEEL) / 4
"""Steps between a class without a place, such as `neutral`, and every other: half of the longest way, as if it stood in
the middle of the wheel."""


def handed_to_neighbours(targets: Tensor, taxonomy: Taxonomy, share: float, sigma: float = 0.6) -> Tensor:
    """Targets (N, K) of which `share` is spread by the wheel's prior: label smoothing that knows who is near whom."""
    prior = torch.from_numpy(wheel_with_neutral(taxonomy, sigma)).to(targets)
    return (1 - share) * targets + share * targets @ prior


def label_entropy(logits: Tensor, keyword: Tensor) -> Tensor:
    """Cross-entropy of logits (N, K) to the class that the set files each picture under, (N,); -1 counts nothing."""
    if bool((keyword < 0).all()):
        return logits.sum() * 0
    return functional.cross_entropy(logits, keyword, ignore_index=-1)


def wheel_emd(logits: Tensor, targets: Tensor, taxonomy: Taxonomy) -> Tensor:
    """Earth mover's distance in steps along the wheel from softmax(logits) to targets (N, K), mean over N.

    On a circle the least work is the sum over its arcs of |F - median F| times their length, F being the difference of
    the cumulative sums (Werman et al. 1986; Rabin et al. 2011). Mass off the wheel (`neutral`) is compared by itself:
    each unit of it costs `OFF_WHEEL`, and what is on the wheel is then compared as shares of the whole of it.
    """
    predicted = logits.softmax(dim=1)
    places = [wheel_place(name) for name in taxonomy.classes]
    on = sorted((place, at) for at, place in enumerate(places) if place is not None)
    columns = [at for _, at in on]
    shares, wanted = (each[:, columns].sum(dim=1, keepdim=True) for each in (predicted, targets))
    outside = OFF_WHEEL * (shares - wanted).abs()[:, 0]
    gap = predicted[:, columns] / shares.clamp_min(1e-6) - targets[:, columns] / wanted.clamp_min(1e-6)
    around = torch.minimum(shares, wanted)[:, 0] * _circular_work(gap, _arcs([place for place, _ in on]).to(gap))
    return (outside + around).mean()


def _arcs(places: list[int]) -> Tensor:
    """Steps from each of these places, in their order, to the next one clockwise, (K,)."""
    following = [*places[1:], places[0] + len(WHEEL)]
    return torch.tensor([b - a for a, b in zip(places, following, strict=True)], dtype=torch.float32)


def _circular_work(gap: Tensor, arcs: Tensor) -> Tensor:
    """The least work, (N,), that levels `gap` (N, K), which sums to 0, along arcs of these lengths (K,)."""
    flow = gap.cumsum(dim=1)
    order = flow.argsort(dim=1)
    weight = arcs.expand_as(flow).gather(1, order).cumsum(dim=1)
    middle = (weight >= weight[:, -1:] / 2).float().argmax(dim=1, keepdim=True)
    turned = flow - flow.gather(1, order.gather(1, middle))
    work: Tensor = (turned.abs() * arcs).sum(dim=1)
    return work


def scaled(values: Tensor) -> Tensor:
    """Valence and arousal (N, 2) from 1 to 9 as -1 to 1; what nets give back through `unscaled`."""
    low, high = SCALE
    return (values - (low + high) / 2) / ((high - low) / 2)


def unscaled(values: Tensor) -> Tensor:
    """From -1 to 1 back to 1 to 9."""
    low, high = SCALE
    return values * ((high - low) / 2) + (low + high) / 2


def unscaled_array(values: np.ndarray) -> np.ndarray:
    """`unscaled` for NumPy arrays, float32."""
    return unscaled(torch.from_numpy(values)).numpy()


def value_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Squared error and 1 - concordance of (N, 2), halved together; rows with NaN count nothing.

    The squared error alone shrinks predictions towards the mean, which concordance (Lin 1989) punishes.
    """
    known = ~torch.isnan(wanted).any(dim=1)
    if int(known.sum()) < 2:
        return predicted.sum() * 0
    predicted, wanted = predicted[known], wanted[known]
    means = predicted.mean(dim=0), wanted.mean(dim=0)
    shared = ((predicted - means[0]) * (wanted - means[1])).mean(dim=0)
    spread = predicted.var(dim=0, unbiased=False) + wanted.var(dim=0, unbiased=False) + (means[0] - means[1]) ** 2
    concordance = 2 * shared / (spread + 1e-6)
    return 0.5 * functional.mse_loss(predicted, wanted) + 0.5 * (1 - concordance).mean()
