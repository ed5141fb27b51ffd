import numpy as np
import pytest

from emolens.video.cuts import CutWatch, likeness

data = pytest.importorskip("skimage.data")
HER, COFFEE = data.astronaut()[:360, :500], data.coffee()[:360, :500]


def cuts(frames: list[np.ndarray], step: float = 0.04) -> list[int]:
    """At which frames a scene begins, but for the first."""
    watch = CutWatch()
    return [i for i, pixels in enumerate(frames) if watch.cuts(pixels, i * step)]


def test_another_scene_begins_where_the_picture_is_another():
    assert cuts([HER, HER, COFFEE, COFFEE, HER]) == [2, 4]


def test_motion_a_flash_and_noise_are_no_cuts():
    moved = [np.roll(HER, 4 * i, axis=1) for i in range(6)]
    flash = [HER, np.minimum(HER.astype(int) + 90, 255).astype(np.uint8), HER, HER // 2]
    noisy = [
        np.clip(HER + np.random.default_rng(i).normal(0, 25, HER.shape), 0, 255).astype(np.uint8) for i in range(3)
    ]
    assert cuts(moved) == cuts(flash) == cuts(noisy) == []


def test_black_is_a_scene_of_its_own():
    black = np.zeros_like(HER)
    assert cuts([HER, black, black, HER]) == [1, 3]


def test_frames_far_apart_say_nothing():
    assert cuts([HER, COFFEE], step=0.5) == []


def test_likeness_is_the_correlation():
    one, other = np.random.default_rng(0).normal(size=(2, 40, 3)).astype(np.float32)
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    whole = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert likeness(one, other) == pytest.approx(whole, abs=1e-5)
    assert likeness(one, one) == pytest.approx(1)
    assert likeness(one, other[:20]) == 0
