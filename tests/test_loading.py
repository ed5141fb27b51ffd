"""Which rows come in which order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emolens.data.labelled import LabelledFaces, joined, stacked
from emolens.errors import DataError
from emolens.learn.devices import Place
from emolens.learn.loading import BalancedSampler, batches, face_batches
from emolens.taxonomy import EKMAN6, FERPLUS

RARE = torch.tensor([0] * 90 + [1] * 9 + [2])


def faces(n: int = 10, colours: tuple[int, ...] = ()) -> LabelledFaces:
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, *(1 for _ in colours))
    images = np.broadcast_to(images, (n, 4, 4, *colours)).copy()
    return LabelledFaces(np.array([f"r{i}" for i in range(n)]), images, np.eye(6, dtype=np.float32)[np.arange(n) % 6],
                         EKMAN6, "train")  # fmt: skip


def order(loader: torch.utils.data.DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> list[int]:
    return [int(image) for images, _ in loader for image in images[:, 0, 0, 0]]


def test_each_class_is_drawn_alike_often() -> None:
    drawn = torch.cat([RARE[list(_at(BalancedSampler(RARE, 0, Place()), epoch))] for epoch in range(60)])
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert (shares - 1 / 3).abs().max() < 0.03  # 6,000 draws: standard error .006


def test_draws_rest_on_seed_and_epoch_alone() -> None:
    one = _at(BalancedSampler(RARE, 5, Place()), 2)
    assert one == _at(BalancedSampler(RARE, 5, Place()), 2)
    assert one != _at(BalancedSampler(RARE, 5, Place()), 3)
    assert one != _at(BalancedSampler(RARE, 6, Place()), 2)


def test_processes_share_one_draw() -> None:
    whole = _at(BalancedSampler(RARE, 1, Place()), 4)
    first, second = (_at(BalancedSampler(RARE, 1, Place(rank, 2)), 4) for rank in (0, 1))
    assert [row for pair in zip(first, second, strict=True) for row in pair] == whole


def _at(sampler: BalancedSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    rows = list(sampler)
    assert len(rows) == len(sampler)
    return rows


def test_pictures_come_as_planes_with_their_targets() -> None:
    images, targets = face_batches(faces(4, (3,))).__getitems__([2, 0])
    assert (images.shape, images.dtype) == ((2, 3, 4, 4), torch.float32)
    assert images[:, 0, 0, 0].tolist() == [2, 0]
    assert targets.argmax(dim=1).tolist() == [2, 0]
    assert face_batches(faces(4))[3][0].shape == (1, 1, 4, 4)


def test_a_shuffle_sees_every_row_once_and_val_keeps_its_order() -> None:
    loader = batches(faces(10), 5, shuffle=True, seed=1)
    assert sorted(order(loader)) == list(range(10))
    assert order(batches(faces(10), 4, shuffle=False)) == list(range(10))


def test_two_processes_take_the_rows_of_one_batch_between_them() -> None:
    whole = order(batches(faces(12), 6, shuffle=True, seed=1))
    first, second = (order(batches(faces(12), 6, shuffle=True, seed=1, place=Place(rank, 2))) for rank in (0, 1))
    for step in range(2):
        dealt = first[3 * step : 3 * step + 3] + second[3 * step : 3 * step + 3]
        assert sorted(dealt) == sorted(whole[6 * step : 6 * step + 6])


# --- rows of several sets -----------------------------------------------------------------------------------------


def test_joined_rows_name_their_set_and_keep_it_when_chosen() -> None:
    both = joined({"a": faces(3), "b": faces(2)})
    assert both.ids.tolist() == ["a/r0", "a/r1", "a/r2", "b/r0", "b/r1"]
    assert both.origin is not None
    kept = both.keep(np.array([False, True, False, True, False]))
    assert kept.origin is not None
    assert kept.origin.tolist() == ["a", "b"]
    with pytest.raises(DataError, match=r"b: ekman6 at \(4, 4, 3\), the first set has ekman6 at \(4, 4\)"):
        joined({"a": faces(3), "b": faces(2, (3,))})


def test_stacked_rows_are_one_split_of_one_set() -> None:
    whole = stacked([faces(3), faces(2)], "val")
    assert (len(whole), whole.split, whole.origin) == (5, "val", None)


def test_rows_whose_class_is_not_wanted_are_left_out() -> None:
    six = faces(6)
    eight = LabelledFaces(six.ids, six.images, np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 4, 7]], FERPLUS, "train")
    kept = eight.expressed_in(EKMAN6)
    assert kept.ids.tolist() == ["r1", "r2", "r3", "r4"]  # neutral and contempt are not among the six
    assert [EKMAN6.classes[top] for top in kept.targets.argmax(axis=1)] == ["happiness", "surprise", "sadness", "anger"]
