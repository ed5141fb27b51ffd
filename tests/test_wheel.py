"""The wheel of Mikels' eight emotions: the published matrices, and what must hold of any circle."""

from __future__ import annotations

import numpy as np
import pytest

from emolens.errors import LabelError, OptionError
from emolens.taxonomy import EKMAN6, EMOTION6, MIKELS8, Taxonomy
from emolens.wheel import WHEEL, wheel_distance, wheel_place, wheel_prior

DISTANCE = [
    [0, 1, 3, 1, 2, 3],
    [1, 0, 2, 2, 1, 4],
    [3, 2, 0, 4, 1, 2],
    [1, 2, 4, 0, 3, 2],
    [2, 1, 1, 3, 0, 3],
    [3, 4, 2, 2, 3, 0],
]
PRIOR = [  # the layer that EW-MTCNN-unofficial at 6df547c makes for its six classes, sigma 0.6
    [0.665523, 0.165950, 0.000002, 0.165950, 0.002573, 0.000002],
    [0.165525, 0.663818, 0.002566, 0.002566, 0.165525, 0.000000],
    [0.000003, 0.003075, 0.795489, 0.000000, 0.198357, 0.003075],
    [0.198357, 0.003075, 0.000000, 0.795489, 0.000003, 0.003075],
    [0.002573, 0.165950, 0.165950, 0.000002, 0.665523, 0.000002],
    [0.000004, 0.000000, 0.003836, 0.003836, 0.000004, 0.992320],
]


def test_the_distances_of_emotion6_are_the_published_ones() -> None:
    assert wheel_distance(EKMAN6).tolist() == DISTANCE


def test_the_prior_of_emotion6_is_the_published_one() -> None:
    np.testing.assert_allclose(wheel_prior(EKMAN6), PRIOR, atol=1e-6)


def test_a_wider_prior_by_hand() -> None:
    diagonal = np.diag(wheel_prior(EKMAN6, sigma=1.0))
    np.testing.assert_allclose(diagonal, [0.42, 0.40, 0.53, 0.53, 0.42, 0.77], atol=0.005)


def test_on_the_whole_wheel_every_emotion_sees_the_same() -> None:
    ring = Taxonomy("ring", WHEEL)
    prior, first = wheel_prior(ring), [0.663815, 0.165524, 0.002566, 2e-6, 0, 2e-6, 0.002566, 0.165524]
    for row in range(8):
        np.testing.assert_allclose(prior[row], np.roll(first, row), atol=1e-6)
    order = [MIKELS8.index(name) for name in WHEEL]  # the order of a taxonomy moves rows and columns, and no value
    np.testing.assert_allclose(wheel_prior(MIKELS8)[np.ix_(order, order)], prior)


@pytest.mark.parametrize("taxonomy", [EKMAN6, MIKELS8])
def test_it_is_a_distance_on_a_circle(taxonomy: Taxonomy) -> None:
    apart = wheel_distance(taxonomy)
    assert (apart == apart.T).all()
    assert (np.diag(apart) == 0).all()
    assert apart.max() == 4
    assert (apart[:, None, :] <= apart[:, :, None] + apart[None, :, :]).all()  # no way round is shorter
    np.testing.assert_allclose(wheel_prior(taxonomy).sum(axis=1), 1)


def test_names_and_their_stand_ins() -> None:
    assert wheel_place("joy") == wheel_place("happiness") == wheel_place("amusement") == 4
    assert wheel_place("surprised") == wheel_place("awe") == 6
    assert wheel_place("fear") == 0
    assert wheel_place("neutral") is None


def test_what_has_no_place_is_named_with_the_way_out() -> None:
    with pytest.raises(LabelError, match=r"neutral of taxonomy emotion6 has no place.*convert"):
        wheel_distance(EMOTION6)
    for sigma in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="sigma"):
            wheel_prior(EKMAN6, sigma)
