"""Maps in colours: they keep their order in grey, and contours lie where the weight crosses a level."""

from __future__ import annotations

import numpy as np

from emolens.drawing.heat import LEVELS, contours, heat, over_picture
from emolens.drawing.stimuli_sheet import emotion_sheet, stimuli_sheet
from emolens.records import StimuliMap
from emolens.taxonomy import EMOTION6

RAMP = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (8, 1))


def test_more_weight_is_lighter():
    grey = heat(RAMP)[0].astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(grey) > -1e-9).all()
    assert grey[-1] - grey[0] > 200


def test_without_weight_the_picture_is_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (8, 256, 3), dtype=np.uint8)
    drawn = over_picture(image, RAMP)
    np.testing.assert_array_equal(drawn[:, 0], image[:, 0])
    assert np.abs(drawn[:, -1].astype(int) - heat(RAMP)[:, -1]).max() <= 0.25 * 255 + 1
    np.testing.assert_array_equal(over_picture(image, RAMP, 0), image)


def test_contours_lie_on_their_levels():
    image = np.full((8, 256, 3), 128, np.uint8)
    marked = np.flatnonzero((contours(image, RAMP)[0] != 128).any(axis=1))
    for level in LEVELS:
        assert np.abs(marked - 255 * level).min() <= 1
    assert len(marked) <= 4 * len(LEVELS)
    np.testing.assert_array_equal(contours(image, np.zeros_like(RAMP)), image)


def test_sheets_hold_every_panel():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    found = StimuliMap(
        rng.random((16, 16), np.float32), (80, 60), "net", "", EMOTION6, rng.random((7, 16, 16), np.float32)
    )
    without = stimuli_sheet(image, found)
    beside = stimuli_sheet(image, found, rng.random((60, 80), np.float32), "CC 0.10")
    sheet = emotion_sheet(image, found)
    assert without.dtype == beside.dtype == sheet.dtype == np.uint8
    assert sheet.shape[1] > 4 * 380 > without.shape[1] > 3 * 380  # four panels across, and three
    assert sheet.shape[0] > 2 * 290
    assert beside.shape == without.shape  # four or five panels of three across: two rows
