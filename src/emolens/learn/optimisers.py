"""Optimisers and the schedules of their rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from emolens.learn.config import Optim


def optimiser(net: nn.Module, settings: Optim) -> torch.optim.Optimizer:
    """The optimiser that `settings` ask for, over all parameters of `net` that learn."""
    groups = decay_groups(net, settings.weight_decay)
    if settings.name == "sgd":
        found: torch.optim.Optimizer = torch.optim.SGD(
            groups, settings.lr, settings.momentum, nesterov=settings.momentum > 0
        )
    else:
        found = (torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam)(groups, settings.lr)
    return SharpnessAware(found, settings.sam) if settings.sam else found


def decay_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels, not for biases and the scales of normalisation."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def schedule(moved: torch.optim.Optimizer, settings: Optim, steps: int, gets_stuck: str) -> dict[str, Any]:
    """The schedule of `settings` over `steps` steps, as Lightning takes it; a plateau is one of `gets_stuck`."""
    if settings.schedule == "cosine":
        asked = round(steps * min(0.5, settings.warmup_epochs / settings.epochs))  # a short look is no warm-up alone
        warmup = max(1, asked) if settings.warmup_epochs else 0
        rate = torch.optim.lr_scheduler.LambdaLR(moved, lambda step: warm_cosine(step, warmup, steps))
        return {"scheduler": rate, "interval": "step"}
    if settings.schedule == "plateau":
        stuck = torch.optim.lr_scheduler.ReduceLROnPlateau(
            moved, factor=settings.gamma, patience=settings.step_epochs, min_lr=1e-7
        )
        return {"scheduler": stuck, "interval": "epoch", "monitor": gets_stuck}
    every = settings.step_epochs if settings.schedule == "step" else 1
    return {"scheduler": torch.optim.lr_scheduler.StepLR(moved, every, settings.gamma), "interval": "epoch"}


def warm_cosine(step: int, warmup: int, steps: int) -> float:
    """The share of the full rate at a step: a linear rise, then half a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class SharpnessAware(torch.optim.Optimizer):
    """Sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412) around another optimiser.

    Each step looks at the batch twice: at the weights, and `radius` up the gradient from them, whose gradient then
    moves the weights.
    """

    def __init__(self, inner: torch.optim.Optimizer, radius: float) -> None:
        self.inner = inner
        self.radius = radius
        super().__init__(inner.param_groups, inner.defaults)
        self.param_groups = inner.param_groups  # one list: a schedule that changes the rate here changes it there

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is None:
            raise TypeError("sharpness-aware minimisation needs the closure that computes the loss again")
        look = torch.enable_grad()(closure)
        loss = look()
        climbed = self._climb()
        look()
        for weight, step in climbed:
            weight.sub_(step)
        self.inner.step()
        return loss

    def _climb(self) -> list[tuple[Tensor, Tensor]]:
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        scale = self.radius / (_norm(p.grad for p in weights) + 1e-12)
        climbed = [(p, p.grad * scale) for p in weights]
        for weight, step in climbed:
            weight.add_(step)
        return climbed

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.inner.load_state_dict(state_dict)
        self.param_groups = self.inner.param_groups


def _norm(tensors: Iterable[Tensor | None]) -> Tensor:
    norm: Tensor = torch.stack([tensor.norm() for tensor in tensors if tensor is not None]).norm()
    return norm
