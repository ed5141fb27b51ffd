import dataclasses
import math

import numpy as np
import pytest

from emolens.errors import LabelError, UnknownName
from emolens.records import Face, PhotoResult, Prediction
from emolens.taxonomy import FERPLUS, GROUP3


def face(*box: float, landmarks=None) -> Face:
    return Face(np.array(box or (0, 0, 10, 10), np.float32), 0.9, landmarks)


def prediction(*values: float) -> Prediction:
    return Prediction("group", GROUP3, np.array(values, np.float32), 0.5, "test")


@pytest.mark.parametrize("box", [(10, 0, 10, 10), (0, 10, 10, 0), (0, 0, 10), (0, 0, float("nan"), 10)])
def test_a_box_that_is_none_is_refused(box):
    with pytest.raises(LabelError, match="box"):
        face(*box)


def test_a_box_may_reach_past_the_edge():
    assert face(-5, -5, 3, 3).box[0] == -5


def test_landmarks_are_five_points():
    assert face(landmarks=np.zeros((5, 2), np.float32)).landmarks.shape == (5, 2)
    with pytest.raises(LabelError, match=r"\(5, 2\)"):
        face(landmarks=np.zeros((10,), np.float32))


@pytest.mark.parametrize("values", [(0.5, 0.5), (0.5, 0.2, 0.2), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5)])
def test_what_is_no_distribution_is_refused(values):
    with pytest.raises(LabelError, match="distribution"):
        prediction(*values)


def test_label_entropy_and_probability():
    assert prediction(0.2, 0.3, 0.5).label == "positive"
    assert prediction(0.4, 0.4, 0.2).label == "negative"  # the first of equals
    assert prediction(1, 0, 0).entropy == 0
    assert prediction(0.5, 0.5, 0).entropy == pytest.approx(math.log(2))
    assert prediction(1 / 3, 1 / 3, 1 / 3).entropy == pytest.approx(math.log(3), abs=1e-6)
    eight = Prediction("expression", FERPLUS, np.eye(8, dtype=np.float32)[1], 1.0, "test")
    assert eight.label == "happiness"
    assert eight.probability("joy") == 1
    with pytest.raises(UnknownName):
        eight.probability("boredom")


def test_a_result_has_one_expression_a_face_or_none_at_all():
    one = prediction(0.2, 0.3, 0.5)
    PhotoResult("x", "ok", faces=(face(), face()))
    PhotoResult("x", "ok", faces=(face(),), expressions=(one,))
    with pytest.raises(LabelError, match="1 expressions for 2 faces"):
        PhotoResult("x", "ok", faces=(face(), face()), expressions=(one,))


def test_no_face_is_an_answer():
    assert PhotoResult("x", "ok").ok
    assert PhotoResult("x", "no_face").ok
    for status in ("not_found", "unreadable", "too_small", "too_large", "fetch_failed"):
        assert not PhotoResult("x", status).ok


def test_records_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        face().score = 0.1
