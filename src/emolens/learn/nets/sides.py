"""Whether a backbone can see pictures of a side: the nets of timm tell nothing before they are tried."""

from __future__ import annotations

import torch
from torch import nn

from emolens.errors import OptionError

SIDES = (8, 16, 24, *range(32, 513, 32))
"""Tried to name one that can be seen: nearly all nets halve a picture five times."""


def check_side(trunk: nn.Module, name: str, setting: str, side: int) -> None:
    """Raises `OptionError`, of the `setting`, where a trunk gives no features (N, C, h, w) for pictures of `side`.

    Small faces leave nothing to some nets, others take pictures of one side alone, and some give no maps at all.
    """
    shape = _seen(trunk, side)
    if shape is None:
        larger = next((each for each in SIDES if each > side and _seen(trunk, each) is not None), None)
        advice = "take another backbone" if larger is None else f"{larger} will do"
        raise OptionError(f"{setting}={side}: backbone {name} cannot see pictures of that side; {advice}")
    width = int(trunk.num_features)  # type: ignore[arg-type]
    if len(shape) != 4 or shape[1] != width:
        raise OptionError(
            f"backbone {name} gives features of shape {shape}, needs maps (N, {width}, h, w); take another, as resnet18"
        )


def _seen(trunk: nn.Module, side: int) -> tuple[int, ...] | None:
    """The shape of what a trunk gives for one blank picture, whose statistics it does not learn; None if it fails."""
    training, channels = trunk.training, int(getattr(trunk, "channels", 3))
    trunk.eval()
    try:
        with torch.no_grad():
            return tuple(trunk(torch.zeros(1, channels, side, side)).shape)
    except Exception:  # each net of timm has its own
        return None
    finally:
        trunk.train(training)
