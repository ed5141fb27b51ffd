"""Losses between maps, and what augmentation does to a picture and its map alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from emolens.evaluation.maps import correlation, divergence
from emolens.learn.config import MapAugment, MapLoss
from emolens.learn.joint import augment_both, lit, random_crops
from emolens.learn.losses_maps import map_correlation, map_loss, pixel_divergence


def maps(seed: int, n: int = 3) -> torch.Tensor:
    return torch.rand(n, 1, 8, 10, generator=torch.Generator().manual_seed(seed))


def test_divergence_and_correlation_are_those_of_the_evaluation() -> None:
    one, other = maps(0), maps(1)
    pairs = [(a[0].double().numpy(), b[0].double().numpy()) for a, b in zip(one, other, strict=True)]
    assert float(pixel_divergence(one, other)) == pytest.approx(
        np.mean([divergence(*pair) for pair in pairs]), rel=1e-4
    )
    assert float(map_correlation(one, other)) == pytest.approx(
        np.mean([correlation(*pair) for pair in pairs]), rel=1e-4
    )
    assert float(map_correlation(torch.ones(1, 1, 4, 4), maps(0, 1)[..., :4, :4])) == 0


def test_the_sum_weighs_its_parts() -> None:
    logits, truth = 4 * maps(0) - 2, maps(1)
    found = {"logits": logits, "map": logits.sigmoid()}
    mse = functional.mse_loss(logits.sigmoid(), truth)
    bce = functional.binary_cross_entropy(logits.sigmoid(), truth)
    torch.testing.assert_close(map_loss(found, truth, MapLoss(mse=2, bce=0.5)), 2 * mse + 0.5 * bce)


def test_a_linear_score_is_held_to_the_truth_past_the_cut() -> None:
    logits = torch.full((1, 1, 4, 4), 3.0, requires_grad=True)
    found = {"logits": logits, "map": logits.clamp(0, 1)}
    loss = map_loss(found, torch.ones(1, 1, 4, 4), MapLoss(mse=1, bce=0), linear=True)
    assert float(loss.detach()) == pytest.approx(4.0)
    loss.backward()
    assert bool((logits.grad > 0).all())  # type: ignore[operator]


def spots(n: int = 16, side: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright square on black, and the same square as its map."""
    truth = torch.zeros(n, 1, side, side)
    truth[:, :, 14:24, 8:20] = 1
    return 255 * truth.expand(-1, 3, -1, -1), truth


@pytest.mark.parametrize("nearest", [False, True])
def test_a_map_goes_where_its_picture_goes(nearest: bool) -> None:
    torch.manual_seed(0)
    images, truth = augment_both(*spots(), MapAugment(crop=0.3, light=0, nearest=nearest))
    bright = images[:, :1] / 255
    assert float((bright - truth).abs().mean()) < (0.03 if nearest else 1e-5)
    assert float(truth.amax()) <= 1
    assert len({float(one.sum()) for one in truth}) > 8  # each its own way


def test_crops_lie_in_the_picture_and_have_their_share_of_it() -> None:
    torch.manual_seed(0)
    places = random_crops(500, MapAugment(crop=0.25))
    wide, tall, right, down = places[:, 0, 0].abs(), places[:, 1, 1], places[:, 0, 2], places[:, 1, 2]
    assert bool(((wide + right.abs() <= 1 + 1e-6) & (tall + down.abs() <= 1 + 1e-6)).all())
    assert float((wide * tall).max()) <= 1
    assert 0.5 < float((wide * tall).mean()) < 0.7  # (0.25 + 1) / 2, less what was cut at the sides
    assert 0.4 < float((places[:, 0, 0] < 0).float().mean()) < 0.6
    whole = random_crops(4, MapAugment(crop=1, flip=0))
    torch.testing.assert_close(whole, torch.eye(2, 3).expand(4, 2, 3))


def test_light_changes_the_picture_alone() -> None:
    torch.manual_seed(0)
    images, truth = spots(4)
    changed, same = augment_both(images, truth, MapAugment(crop=1, flip=0, light=0.5))
    torch.testing.assert_close(same, truth)
    assert float((changed - images).abs().max()) > 1
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255
    assert lit(images, 0) is images
