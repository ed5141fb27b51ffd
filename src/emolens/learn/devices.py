"""Where a run happens: on how many devices, as which of its processes, at what precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

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
        """Of this process, as Lightning will take it: torchrun, srun and Lightning each set variables of their own.

        Raises `OptionError` where those are incomplete, or number a process that there is none of.
        """
        world = self.devices * self.nodes
        if world == 1:  # a task of srun by itself, whatever its number
            return Place()
        try:
            rank = self._rank()
        except (KeyError, ValueError) as error:
            raise OptionError(
                f"--devices {self.devices} --nodes {self.nodes}: a launcher's variable is missing or no number "
                f"({error}); start by torchrun or srun, or unset TORCHELASTIC_RUN_ID, SLURM_NTASKS and NODE_RANK"
            ) from None
        if rank >= world:
            raise OptionError(
                f"this is process {rank}, counted from 0, and --devices {self.devices} --nodes {self.nodes} are "
                f"{world}; give as many as are started, or unset LOCAL_RANK, GROUP_RANK and NODE_RANK"
            )
        return Place(rank, world)

    def _rank(self) -> int:
        if TorchElasticEnvironment.detect():
            return int(os.environ["RANK"])
        if SLURMEnvironment.detect():
            return int(os.environ["SLURM_PROCID"])
        started = LightningEnvironment()  # the first process has no variables set
        return started.node_rank() * self.devices + started.local_rank()

    def options(self) -> dict[str, Any]:
        """What Lightning's Trainer is told, beside its plugins."""
        many = self.devices * self.nodes > 1
        return {
            "accelerator": "gpu" if torch.cuda.is_available() else "cpu",
            "devices": self.devices,
            "num_nodes": self.nodes,
            "strategy": "ddp" if many else "auto",
        }

    @property
    def plugins(self) -> list[Any]:
        """A process by itself is no part of the job of torchrun or srun that it may have been started in."""
        return [LightningEnvironment()] if self.devices * self.nodes == 1 else []


def check_share(recipe: Recipe, world: int) -> None:
    """Raises `OptionError` where a step's rows cannot be dealt evenly, or leave one each to a net that needs more."""
    size, why = recipe.optim.batch, recipe.net.why_not_alone
    if size % world:
        near = " or ".join(str(each) for each in (size - size % world, size - size % world + world) if each)
        raise OptionError(f"optim.batch={size} cannot be dealt evenly to {world} devices; make it {near}")
    if size == world and why:
        raise OptionError(
            f"optim.batch={size} leaves one picture to each of {world} devices, but {why}; needs {2 * size}"
        )


def precision(recipe: Recipe) -> Literal["bf16-mixed", "32-true"]:
    """What Lightning calls the precision of a recipe: `auto` is bfloat16 on a GPU that has it."""
    # On a CPU bfloat16 must be asked for: with other nets (EfficientNet, RepVGG at 112 px) it crashed in torch 2.15.
    chosen: str = recipe.optim.precision
    if chosen == "auto":
        chosen = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return "bf16-mixed" if chosen == "bfloat16" else "32-true"
