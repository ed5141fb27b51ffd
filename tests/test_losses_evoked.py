from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from emolens.learn.losses_evoked import (
    OFF_WHEEL,
    handed_to_neighbours,
    label_entropy,
    scaled,
    unscaled,
    value_loss,
    wheel_emd,
)
from emolens.taxonomy import EKMAN6, EMOTION6, MIKELS8, Taxonomy
from emolens.wheel import wheel_distance


def work(p: np.ndarray, q: np.ndarray, cost: np.ndarray) -> float:
    """The earth mover's distance as a linear programme."""
    k = len(p)
    rows = np.kron(np.eye(k), np.ones(k)), np.kron(np.ones(k), np.eye(k))
    return float(linprog(cost.ravel(), A_eq=np.vstack(rows), b_eq=np.concatenate([p, q])).fun)


@pytest.mark.parametrize("taxonomy", [EKMAN6, MIKELS8])
def test_emd_is_the_cheapest_transport_around_the_wheel(taxonomy: Taxonomy) -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(len(taxonomy)), (2, 12))
    wanted = np.mean([work(a, b, wheel_distance(taxonomy)) for a, b in zip(p, q, strict=True)])
    found = wheel_emd(torch.from_numpy(p).log().float(), torch.from_numpy(q).float(), taxonomy)
    assert float(found) == pytest.approx(wanted, abs=1e-4)


def test_mass_that_leaves_for_neutral_costs_half_the_longest_way() -> None:
    sure = torch.full((1, 7), -40.0)
    sure[0, EMOTION6.index("neutral")] = 40
    target = torch.zeros(1, 7)
    target[0, EMOTION6.index("fear")] = 1
    assert float(wheel_emd(sure, target, EMOTION6)) == pytest.approx(OFF_WHEEL, abs=1e-3)


def test_neighbours_get_a_share_and_neutral_keeps_its_own() -> None:
    target = torch.eye(7)
    found = handed_to_neighbours(target, EMOTION6, 0.5)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(7))
    anger, disgust, fear, neutral = (EMOTION6.index(name) for name in ("anger", "disgust", "fear", "neutral"))
    assert found[anger, disgust] > found[anger, fear]
    assert found[neutral, neutral] == 1


def test_pictures_without_a_keyword_count_nothing() -> None:
    logits = torch.zeros(3, 6)
    assert float(label_entropy(logits, torch.tensor([-1, 2, -1]))) == pytest.approx(np.log(6))
    assert float(label_entropy(logits, torch.tensor([-1, -1, -1]))) == 0


def test_value_loss_is_zero_only_where_all_is_right() -> None:
    values = scaled(torch.tensor([[1.0, 9.0], [5.0, 5.0], [9.0, 2.0], [float("nan"), 3.0]]))
    right = torch.nan_to_num(values)
    assert float(value_loss(right, values)) == pytest.approx(0, abs=1e-5)
    assert float(value_loss(right * 0.5, values)) > 0.1
    torch.testing.assert_close(unscaled(scaled(torch.tensor([[1.0, 9.0]]))), torch.tensor([[1.0, 9.0]]))
