from __future__ import annotations

import numpy as np
import pytest

from emolens.choices import model_file
from emolens.reading.readers import Readers, Told, load_model, readers
from emolens.records import Task

PICTURES = [np.random.default_rng(seed).integers(0, 256, (60 + 9 * seed, 80, 3), np.uint8) for seed in range(3)]
SHIPPED: tuple[Task, ...] = ("expression", "evoked")


@pytest.fixture(scope="module")
def both() -> Readers:
    return readers({task: load_model(task, model_file(task, {})) for task in SHIPPED}, None, maps=True)


def told_of(asked: Readers, pictures: list[np.ndarray]) -> list[Told]:
    return asked.read([asked.look(f"{at}", picture) for at, picture in enumerate(pictures)])


def test_where_nobody_is_asked_nothing_is_told() -> None:
    assert told_of(Readers(), PICTURES) == [Told()] * 3
    assert Readers().models == {}


@pytest.mark.parametrize("alone", [False, True])
def test_many_pictures_are_told_as_one_by_one(both: Readers, alone: bool) -> None:
    asked = both.on_one_core() if alone else both
    together, singly = told_of(both, PICTURES), [told_of(asked, [picture])[0] for picture in PICTURES]
    for many, one in zip(together, singly, strict=True):
        # Eight-bit layers of the expression net are exact; sums in floats depend on the shapes of what is summed.
        np.testing.assert_array_equal(many.expressions[0].distribution, one.expressions[0].distribution)
        np.testing.assert_allclose(many.evoked.distribution, one.evoked.distribution, atol=1e-5)
        np.testing.assert_allclose(many.stimuli.weights, one.stimuli.weights, atol=1e-3)
    assert len({told.evoked.distribution.tobytes() for told in together}) == 3


def test_a_picture_without_a_model_of_its_own_for_maps_gets_one_from_what_it_evokes(both: Readers) -> None:
    assert set(both.models) == {"expression", "evoked"}
    seen = both.look("a", PICTURES[1])
    assert seen.size == (80, 69)
    assert both.read([seen])[0].stimuli.weights.shape == (69, 80)
    assert told_of(readers(both.models, None), PICTURES[:1])[0].stimuli is None
