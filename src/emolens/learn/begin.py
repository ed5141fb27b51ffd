"""What the net of a group begins with: parts of nets that runs before it learnt."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from emolens.errors import ModelError
from emolens.learn.config.group import Begin
from emolens.learn.nets.hybrid import Hybrid
from emolens.learn.runs import read_checkpoint

PARTS = {"faces": "faces", "scene": "scene.trunk", "crossvit": "fused"}
"""Setting -> the part of a net that it is about, by the beginning of its tensors' names."""


def begin_with(net: nn.Module, settings: Begin) -> None:
    """Give parts of a net the weights that runs before it learnt, the best on their `val`.

    Raises `ModelError` where a run has no such part, or one of another shape, or the net has none to give them to.
    """
    for name in PARTS:
        run = getattr(settings, name)
        if run is not None:
            _give(net, name, Path(run))


def begin_unstored(net: nn.Module, settings: Begin) -> None:
    """What a checkpoint does not hold: the CrossViT that the hybrid's source kept outside of its net."""
    if isinstance(net, Hybrid) and not hasattr(net, "fused"):
        begin_with(net, Begin(crossvit=settings.crossvit))


def _give(net: nn.Module, name: str, run: Path) -> None:
    prefix = f"{PARTS[name]}."
    learnt = read_checkpoint(run, "best").weights
    given = {key.removeprefix(prefix): value for key, value in learnt.items() if key.startswith(prefix)}
    home = _part(net, name)
    if home is None or not given:
        whose = "this net" if home is None else str(run)
        raise ModelError(f"begin.{name}={run}: {whose} has no {name}; give a run whose net has one, or leave it out")
    try:
        home.load_state_dict(given)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:150]
        raise ModelError(f"begin.{name}={run}: its {name} is of another shape ({reason})") from None


def _part(net: nn.Module, name: str) -> nn.Module | None:
    if name == "crossvit" and isinstance(net, Hybrid):
        return net.fusion
    try:
        return net.get_submodule(PARTS[name])
    except AttributeError:
        return None
