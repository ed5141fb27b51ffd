"""Losses by hand arithmetic, and that their weights learn."""

from __future__ import annotations

import math

import pytest
import torch

from emolens.errors import OptionError
from emolens.learn.config import DanNet, ExpressionRecipe, Loss, Optim, changed
from emolens.learn.losses import (
    AttentionLoss,
    adjusted,
    affinity,
    class_weights,
    mixed,
    partition,
    prepared_targets,
    soft_cross_entropy,
)
from emolens.learn.nets import build
from emolens.learn.optimisers import optimiser
from emolens.learn.recipes import recipe
from emolens.learn.tasks.expression import ExpressionTask
from emolens.taxonomy import EKMAN6


def test_affinity_is_the_distance_to_the_own_centre_over_the_variance_of_the_centres() -> None:
    centres = torch.tensor([[0.0, 0.0], [2.0, 4.0]])  # variances 2 and 8: together 10
    features = torch.tensor([[3.0, 4.0], [2.0, 4.0]])  # 25 from its centre, and on it
    targets = torch.eye(2)
    assert affinity(features, targets, centres).item() == pytest.approx((25 / 10 + 0) / 2)
    soft = torch.tensor([[0.5, 0.5], [0.0, 1.0]])  # half of 25 and half of 1
    assert affinity(features, soft, centres).item() == pytest.approx(13 / 10 / 2)


def test_partition_falls_as_heads_differ() -> None:
    heads = torch.tensor([[[0.0, 1.0], [2.0, 1.0]]])  # variances 2 and 0: mean 1
    assert partition(heads).item() == pytest.approx(math.log(1 + 2 / 1))
    assert partition(heads * 3) < partition(heads)
    assert partition(heads[:, :1]).item() == 0
    assert torch.isfinite(partition(torch.zeros(2, 4, 3)))


def test_both_losses_are_as_the_authors_write_them() -> None:
    torch.manual_seed(0)
    features, heads, labels = torch.randn(5, 8), torch.randn(5, 4, 8), torch.tensor([0, 2, 1, 2, 0])
    centres = torch.randn(3, 8)
    distances = torch.cdist(features, centres).square() / centres.var(dim=0).sum()
    mask = labels[:, None] == torch.arange(3)
    torch.testing.assert_close(affinity(features, torch.eye(3)[labels], centres), (distances * mask).sum() / 5)
    torch.testing.assert_close(partition(heads), torch.log(1 + 4 / heads.var(dim=1).mean()))


def tiny_dan(*settings: str) -> ExpressionRecipe:
    net = DanNet(size=16, widths=(4, 8), blocks=1)
    found = ExpressionRecipe(
        name="tiny", source="a test", net=net, loss=Loss(affinity=1, partition=1), optim=Optim(lr=1)
    )
    return changed(found, settings)


def task(settings: ExpressionRecipe) -> ExpressionTask:
    torch.manual_seed(0)
    return ExpressionTask(settings, build(settings.net, 6), EKMAN6, torch.full((6,), 1 / 6))


@pytest.mark.parametrize(("centres", "learns"), [("learnt", True), ("fixed", False)])
def test_class_centres_move_with_the_net_and_not_in_the_legacy(centres: str, learns: bool) -> None:
    one = task(tiny_dan(f"loss.centres={centres}"))
    assert one.attention is not None
    before = one.attention.centres.detach().clone()
    moved = optimiser(one, one.recipe.optim)
    assert any(one.attention.centres is p for group in moved.param_groups for p in group["params"]) is learns
    one.loss((torch.rand(6, 1, 16, 16) * 255, torch.eye(6))).backward()
    moved.step()
    assert bool((one.attention.centres != before).all()) is learns


def test_losses_of_heads_have_their_weights() -> None:
    torch.manual_seed(0)
    found = {"features": torch.randn(4, 8), "heads": torch.randn(4, 2, 8)}
    targets = torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    loss = AttentionLoss(3, 8, Loss(affinity=2, partition=0.5))
    near = affinity(found["features"], targets, loss.centres)
    torch.testing.assert_close(loss(found, targets), 2 * near + 0.5 * partition(found["heads"]))


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("expression_ferplus", "loss.affinity=1", "need a net with heads, as dan, not vgg"),
        ("expression_ferplus", "data.colour=rgb", "data.colour is rgb; net vgg takes grey only"),
        ("expression_ferplus", "data.fold=1", "data.fold is 1 of data.folds=0"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(name: str, setting: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        changed(recipe(name), [setting])


# --- rare classes -------------------------------------------------------------------------------------------------


def test_targets_are_distributions_or_smoothed_labels() -> None:
    votes = torch.tensor([[0.6, 0.4, 0.0]])
    torch.testing.assert_close(prepared_targets(votes, Loss()), votes)
    label = prepared_targets(votes, Loss(targets="label", smoothing=0.3))
    torch.testing.assert_close(label, torch.tensor([[0.8, 0.1, 0.1]]))


def test_mixup_blends_pictures_and_targets_by_the_same_share() -> None:
    torch.manual_seed(0)
    targets = torch.eye(8)
    images = (torch.arange(8.0) * 10).view(8, 1, 1, 1).expand(8, 1, 2, 2)
    blended, blends = mixed(images, targets, 0.4)
    torch.testing.assert_close(blends.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(blended[:, 0, 0, 0], blends @ (torch.arange(8.0) * 10))
    assert ((blends > 0) & (blends < 1)).any()


def test_weights_make_each_class_count_alike() -> None:
    shares = torch.tensor([0.5, 0.4, 0.1])
    weights = class_weights(shares)
    torch.testing.assert_close(weights * shares, torch.full((3,), 1 / 3))


def test_adjusted_logits_of_a_blind_net_cost_least_at_the_prior() -> None:
    shares = torch.tensor([0.7, 0.2, 0.1])
    torch.testing.assert_close(adjusted(torch.zeros(1, 3), shares, 1.0).softmax(1)[0], shares)
    blind = soft_cross_entropy(adjusted(torch.zeros(1, 3), shares, 1.0), shares[None])
    assert blind.item() == pytest.approx(float(torch.special.entr(shares).sum()))
    torch.testing.assert_close(adjusted(torch.ones(1, 3), shares, 0), torch.ones(1, 3))
