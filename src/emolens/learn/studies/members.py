"""Small nets on frozen features, taught one by one, and several of them as one head."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.data.pictures import LabelledPictures
from emolens.learn.losses import mixed
from emolens.learn.losses_evoked import scaled, value_loss
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.optimisers import warm_cosine

EPSILON = 1e-5
"""Added to variances, as nn.BatchNorm1d does."""


@dataclass(frozen=True, slots=True)
class Member:
    """How one head is built and taught. With so few pictures, what is left out at random decides.

    `values` and `farthest` are the weights, beside the cross-entropy, of valence and arousal and of the largest error
    of a class, which is the Chebyshev distance, both after mixup.
    """

    hidden: int = 256
    hidden_dropout: float = 0.6
    dropout: float = 0.7
    mixup: float = 0.8
    epochs: int = 30
    rate: float = 1e-3
    decay: float = 0.05
    values: float = 0.5
    farthest: float = 1.0
    batch: int = 64


def teach_member(
    settings: Member, features: np.ndarray, pictures: LabelledPictures, rows: np.ndarray, seed: int
) -> WheelHead:
    """A head taught on these rows (n,) of features (views, N, D): a random view of each picture an epoch."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    classes = len(pictures.taxonomy)
    head = WheelHead(
        features.shape[2], classes, None, False, settings.dropout, settings.hidden, settings.hidden_dropout
    )
    _normalise(head, features[:, rows])
    wanted = torch.cat([torch.from_numpy(pictures.targets), _standard(pictures.values, rows)], dim=1)
    optimiser = torch.optim.AdamW(head.parameters(), settings.rate, weight_decay=settings.decay)
    steps = len(rows) // settings.batch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda at: warm_cosine(at, steps, steps * settings.epochs))
    head.train()
    head.body[0].eval()  # its statistics are those of all rows and views, not of a batch
    for _ in range(settings.epochs):
        for took in chance.permutation(rows)[: steps * settings.batch].reshape(steps, -1):
            view = chance.integers(0, len(features), len(took))
            seen = torch.from_numpy(features[view, took]).float()
            loss = member_loss(head, *mixed_rows(seen, wanted[took], settings.mixup), classes, settings)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return _in_units(head.eval(), pictures.values, rows)


def mixed_rows(seen: Tensor, wanted: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Features (n, D) and what is wanted of them (n, K + 2), each blended with another row's."""
    if not alpha:
        return seen, wanted
    blended, targets = mixed(seen[:, :, None, None], wanted, alpha)
    return blended[:, :, 0, 0], targets


def member_loss(head: WheelHead, seen: Tensor, wanted: Tensor, classes: int, settings: Member) -> Tensor:
    """What a head is taught to make small, on features (n, D) and what is wanted of them, (n, K + 2)."""
    found, shares = head(seen), wanted[:, :classes]
    loss = functional.cross_entropy(found["logits"], shares)
    if settings.farthest:
        errors = (found["logits"].softmax(dim=1) - shares).abs()
        loss = loss + settings.farthest * errors.amax(dim=1).mean()
    return loss + settings.values * value_loss(found["values"], wanted[:, classes:]) if settings.values else loss


def _normalise(head: WheelHead, features: np.ndarray) -> None:
    """Give the head's first layer the statistics of features (views, n, D)."""
    norm = head.body[0]
    assert isinstance(norm, nn.BatchNorm1d)
    flat = features.reshape(-1, features.shape[2]).astype(np.float32)
    norm.running_mean = torch.from_numpy(flat.mean(axis=0))
    norm.running_var = torch.from_numpy(flat.var(axis=0))


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    known = scaled(torch.from_numpy(values[rows]))
    known = known[~torch.isnan(known).any(dim=1)]
    return known.mean(dim=0), known.std(dim=0).clamp_min(EPSILON)


def _standard(values: np.ndarray, rows: np.ndarray) -> Tensor:
    """Valence and arousal with the mean and the spread of these rows taken out, so that both weigh alike."""
    mean, spread = _moments(values, rows)
    return (scaled(torch.from_numpy(values)) - mean) / spread


@torch.no_grad()
def _in_units(head: WheelHead, values: np.ndarray, rows: np.ndarray) -> WheelHead:
    """Put mean and spread back, so that the head's values are from -1 to 1."""
    mean, spread = _moments(values, rows)
    head.values.weight.mul_(spread[:, None])
    head.values.bias.mul_(spread).add_(mean)
    return head


@torch.no_grad()
def joined_heads(heads: list[WheelHead]) -> WheelHead:
    """One head that gives the mean of several heads' logits and values; they must have seen the same rows."""
    first = heads[0]
    layers = [head.body[2] for head in heads]
    hidden, width = torch.cat([layer.get_parameter("weight") for layer in layers]).shape
    whole = WheelHead(width, first.classes.out_features, hidden=hidden)
    whole.body[0].load_state_dict(first.body[0].state_dict())
    for name in ("weight", "bias"):
        _put(whole.body[2], name, torch.cat([getattr(head.body[2], name) for head in heads]))
    for layer in ("classes", "values"):
        parts = [getattr(head, layer) for head in heads]
        _put(getattr(whole, layer), "weight", torch.cat([part.weight for part in parts], dim=1) / len(heads))
        _put(getattr(whole, layer), "bias", torch.stack([part.bias for part in parts]).mean(dim=0))
    return whole.eval()


@torch.no_grad()
def narrowed(head: WheelHead, features: np.ndarray, rank: int) -> WheelHead:
    """The head with its first layer through `rank` numbers: the main directions of its units over features (V, n, D).

    A head of several members has far more units than directions in which pictures differ for them.
    """
    layer = head.body[2]
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    if rank >= min(weight.shape):
        return head
    norm = head.body[0]
    units = torch.cat([layer(norm(torch.from_numpy(view).float())) for view in features]) - bias
    mean = units.mean(dim=0)
    main = torch.linalg.eigh((units - mean).T @ (units - mean)).eigenvectors[:, -rank:]  # (units, rank)
    first, second = nn.Linear(weight.shape[1], rank), nn.Linear(rank, weight.shape[0])
    _put(first, "weight", main.T @ weight)
    _put(first, "bias", -(main.T @ mean))
    _put(second, "weight", main)
    _put(second, "bias", bias + mean)
    slim = copy.deepcopy(head)
    slim.body = nn.Sequential(*head.body[:2], first, second, *head.body[3:])
    return slim.eval()


def _put(layer: nn.Module, name: str, value: Tensor) -> None:
    getattr(layer, name).copy_(value)


@torch.no_grad()
def answers(head: WheelHead, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, K) and values (N, 2), each the mean over the views of features (views, N, D)."""
    found = [head(torch.from_numpy(view).float()) for view in features]
    logits, values = (torch.stack([each[name] for each in found]).mean(dim=0) for name in ("logits", "values"))
    return logits.numpy(), values.numpy()
