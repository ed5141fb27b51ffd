"""Where a run happens: on how many devices, as which of its processes, at what precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch

from emolens.errors import OptionError
from emolens.learn.config import Recipe


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many processes this one is."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True, slots=True)
class Devices:
    """How many devices a node, on how many nodes. Raises `OptionError` for none, or more GPUs than there are."""

    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if self.devices < 1 or self.nodes < 1:
            raise OptionError(f"{self.devices} devices on {self.nodes} nodes; needs 1 or more of each")
        if torch.cuda.is_available() and self.devices > torch.cuda.device_count():
            raise OptionError(f"{self.devices} devices; this machine has {torch.cuda.device_count()} GPUs")

    @property
    def place(self) -> Place:
        """Of this process. Lightning starts the others with these variables set; the first has none."""
        local, node = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("NODE_RANK", 0))
        return Place(node * self.devices + local, self.devices * self.nodes)

    def options(self) -> dict[str, Any]:
        """What Lightning's Trainer is told."""
        many = self.devices * self.nodes > 1
        return {
            "accelerator": "gpu" if torch.cuda.is_available() else "cpu",
            "devices": self.devices,
            "num_nodes": self.nodes,
            "strategy": "ddp" if many else "auto",
        }


def precision(recipe: Recipe) -> Literal["bf16-mixed", "32-true"]:
    """What Lightning calls the precision of a recipe: `auto` is bfloat16 on a GPU that has it."""
    # On a CPU bfloat16 must be asked for: with other nets (EfficientNet, RepVGG at 112 px) it crashed in torch 2.15.
    chosen: str = recipe.optim.precision
    if chosen == "auto":
        chosen = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return "bf16-mixed" if chosen == "bfloat16" else "32-true"
