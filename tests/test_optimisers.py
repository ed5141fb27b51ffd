"""Optimisers and schedules, by hand arithmetic and beside torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from emolens.learn.config import Optim
from emolens.learn.optimisers import SharpnessAware, decay_groups, optimiser, schedule, warm_cosine


class Weight(nn.Module):
    """One number, whose loss is its fourth power."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))

    def loss(self) -> Tensor:
        return self.value.pow(4).sum()


def test_decay_is_for_kernels_and_matrices_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    net[3].bias.requires_grad_(False)
    decayed, free = decay_groups(net, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3), (3, 2)]
    assert [tuple(p.shape) for p in free["params"]] == [(2,), (2,), (2,)]


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_an_optimiser_has_its_name_and_rate(name: str, kind: type) -> None:
    found = optimiser(nn.Linear(2, 2), Optim(name=name, lr=0.3))  # type: ignore[arg-type]
    assert type(found) is kind
    assert [group["lr"] for group in found.param_groups] == [0.3, 0.3]


def test_a_sharpness_aware_step_takes_the_gradient_up_the_hill() -> None:
    net = Weight(1.0)
    settings = Optim(lr=0.1, momentum=0, weight_decay=0, sam=0.5)
    moved = optimiser(net, settings)
    assert isinstance(moved, SharpnessAware)

    def closure() -> Tensor:
        moved.zero_grad()
        loss = net.loss()
        loss.backward()
        return loss

    assert moved.step(closure).item() == 1.0  # the loss at the weights themselves
    # The gradient at 1 points up; half a step on, at 1.5, it is 4 x 1.5^3 = 13.5.
    assert net.value.item() == pytest.approx(1 - 0.1 * 13.5)
    with pytest.raises(TypeError, match="needs the closure"):
        moved.step()


def test_sharpness_aware_hands_its_rate_and_its_state_through() -> None:
    net = Weight()
    moved = optimiser(net, Optim(name="adamw", lr=0.1, sam=0.1))
    rate = torch.optim.lr_scheduler.LambdaLR(moved, lambda step: 0.5)
    assert isinstance(moved, SharpnessAware)
    assert moved.inner.param_groups[0]["lr"] == rate.get_last_lr()[0] == 0.05

    def closure() -> Tensor:
        loss = net.loss()
        loss.backward()
        return loss

    moved.step(closure)
    again = optimiser(Weight(), Optim(name="adamw", lr=0.7, sam=0.1))
    again.load_state_dict(moved.state_dict())
    assert again.param_groups[0]["lr"] == 0.05
    assert again.state_dict()["state"].keys() == moved.state_dict()["state"].keys() != set()


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    rates = [warm_cosine(step, 4, 12) for step in range(13)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1]
    assert rates[4] == 1
    assert rates[8] == pytest.approx(0.5)
    assert rates[12] == pytest.approx(0)
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_a_run_that_is_shorter_than_its_warm_up_still_reaches_the_rate_and_comes_down() -> None:
    moved = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    rate = schedule(moved, Optim(epochs=1, warmup_epochs=2), 8, "val_kl")["scheduler"]
    rates = []
    for _ in range(8):
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        rate.step()
    assert rates[:4] == [0.25, 0.5, 0.75, 1]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.2


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (Optim(schedule="step", gamma=0.1, step_epochs=2), (1, 1, 0.1, 0.1, 0.01)),
        (Optim(schedule="exponential", gamma=0.6), (1, 0.6, 0.36, 0.216, 0.1296)),
    ],
)
def test_schedules_of_epochs(settings: Optim, wanted: tuple[float, ...]) -> None:
    moved = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    told = schedule(moved, settings, 100, "val_kl")
    assert told["interval"] == "epoch"
    rates = []
    for _ in wanted:
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        told["scheduler"].step()
    assert rates == pytest.approx(wanted)


def test_a_plateau_is_one_of_the_figure_that_it_is_given() -> None:
    moved = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    told = schedule(moved, Optim(schedule="plateau", gamma=0.5, step_epochs=1), 100, "val_kl")
    assert told["monitor"] == "val_kl"
    for figure in (3.0, 2.0, 2.5, 2.4):  # two epochs without gain: one more than its patience
        told["scheduler"].step(figure)
    assert moved.param_groups[0]["lr"] == 0.5
