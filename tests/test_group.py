from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emolens.errors import LabelError
from emolens.group import BORDER, COMMON_NOISE, FACE_NOISE, face_weights, group_affect
from emolens.records import Face, Prediction
from emolens.taxonomy import EMOTION6, FERPLUS, GROUP3, taxonomy

SIZE = (1000, 800)
SAD, NEUTRAL, HAPPY = FERPLUS.index("sad"), FERPLUS.index("neutral"), FERPLUS.index("happy")


def face(x=0.0, y=0.0, side=100.0, score=1.0) -> Face:
    return Face(np.array([x, y, x + side, y + side], np.float32), score)


def shows(*mass: tuple[int, float]) -> Prediction:
    distribution = np.zeros(8, np.float32)
    for index, share in mass:
        distribution[index] = share
    return Prediction("expression", FERPLUS, distribution, float(distribution.max()), "test")


calm = settings(deadline=None, max_examples=50)  # a busy machine is not a wrong answer


@st.composite
def groups(draw, least=1):
    count = draw(st.integers(least, 6))
    rows = []
    for _ in range(count):
        weights = np.array(draw(st.lists(st.floats(0.01, 1), min_size=8, max_size=8)))
        prediction = shows(*enumerate(weights / weights.sum()))
        x, y = draw(st.floats(0, 800)), draw(st.floats(0, 600))
        rows.append((prediction, face(x, y, draw(st.floats(5, 150)), draw(st.floats(0.1, 1)))))
    return [p for p, _ in rows], [f for _, f in rows]


def test_no_faces_no_group():
    assert group_affect([], [], SIZE) is None


def logistic(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_the_arithmetic_of_two_faces():
    # The sad face is found with half the score of the happy one and is as large: weights 1 : 2, balance 1/3.
    affect = group_affect([shows((SAD, 1)), shows((HAPPY, 1))], [face(score=0.5), face(x=500)], SIZE)
    np.testing.assert_allclose(affect.contributions, [1 / 3, 2 / 3], atol=1e-6)
    scale = np.sqrt(COMMON_NOISE**2 + FACE_NOISE**2 * (1 / 9 + 4 / 9))
    positive, negative = logistic((1 / 3 - BORDER) / scale), logistic((-1 / 3 - BORDER) / scale)
    expected = [negative, 1 - negative - positive, positive]
    np.testing.assert_allclose(affect.prediction.distribution, expected, atol=1e-6)


def test_far_faces_count_less_and_a_near_one_does_not_drown_the_others():
    # Sides 50, 100, 400: the median is 100, so the weights are 50 : 100 : 100.
    weights = face_weights([face(side=50), face(x=100, side=100), face(x=300, side=400)], SIZE)
    np.testing.assert_allclose(weights, [0.2, 0.4, 0.4], atol=1e-6)


def test_a_group_on_the_border_is_as_likely_neutral():
    just = shows((HAPPY, BORDER), (NEUTRAL, 1 - BORDER))
    distribution = group_affect([just] * 9, [face(x=100 * k) for k in range(9)], SIZE).prediction.distribution
    assert distribution[2] == pytest.approx(0.5, abs=1e-6)
    assert distribution[1] == pytest.approx(0.5, abs=0.01)


def test_the_scene_counts_only_if_it_is_told_to():
    gloomy = Prediction("evoked", EMOTION6, np.full(7, 1 / 7, np.float32), 1 / 7, "scene", valence=1.0, arousal=5.0)
    faces, said = [face(), face(x=500)], [shows((HAPPY, 0.4), (NEUTRAL, 0.6))] * 2
    plain, ignored, counted = (
        group_affect(said, faces, SIZE, *more).prediction for more in ((), (gloomy,), (gloomy, 0.5))
    )
    np.testing.assert_array_equal(plain.distribution, ignored.distribution)
    assert plain.label == "positive"
    assert counted.label == "negative"  # half of .4, half of -1
    without = replace(gloomy, valence=None, arousal=None)  # four negative classes of seven, one positive: -3/7
    assert group_affect(said, faces, SIZE, without, 1.0).prediction.label == "negative"


def test_polarity_of_each_expression():
    for name, expected in {
        "anger": "negative",
        "disgust": "negative",
        "fear": "negative",
        "sadness": "negative",
        "contempt": "negative",
        "neutral": "neutral",
        "surprise": "neutral",
        "happiness": "positive",
    }.items():
        assert group_affect([shows((FERPLUS.index(name), 1))], [face()], SIZE).prediction.label == expected


@calm
@given(groups())
def test_one_face_is_its_own_group(group):
    prediction, one = group[0][0], group[1][0]
    p = prediction.probability
    balance = p("happiness") - p("anger") - p("disgust") - p("fear") - p("sadness") - p("contempt")
    affect = group_affect([prediction], [one], SIZE)
    likeliest = "positive" if balance > 0.19 else "negative" if balance < -0.19 else "neutral"
    assert affect.prediction.label == likeliest or 0.15 < abs(balance) < 0.2  # where two are as likely
    assert affect.contributions == (1.0,)


@calm
@given(groups())
def test_a_group_is_a_distribution_with_one_share_a_face(group):
    affect = group_affect(*group, SIZE)
    assert affect.prediction.taxonomy is GROUP3
    assert affect.prediction.distribution.sum() == pytest.approx(1, abs=1e-5)
    assert affect.prediction.confidence == pytest.approx(affect.prediction.distribution.max())
    assert len(affect.contributions) == len(group[0])
    assert sum(affect.contributions) == pytest.approx(1)
    assert min(affect.contributions) > 0


@calm
@given(groups(least=2), st.randoms())
def test_the_order_of_the_faces_does_not_matter(group, random):
    order = list(range(len(group[0])))
    random.shuffle(order)
    there, back = group_affect(*group, SIZE), group_affect(*([each[k] for k in order] for each in group), SIZE)
    np.testing.assert_allclose(there.prediction.distribution, back.prediction.distribution, atol=1e-6)
    np.testing.assert_allclose([there.contributions[k] for k in order], back.contributions)


@calm
@given(groups())
def test_every_face_twice_is_the_same_group_only_surer(group):
    once, twice = group_affect(*group, SIZE), group_affect(group[0] * 2, group[1] * 2, SIZE)
    assert (
        once.prediction.label == twice.prediction.label or abs(np.diff(sorted(once.prediction.distribution)[1:])) < 0.1
    )
    np.testing.assert_allclose(np.array(twice.contributions[: len(once.contributions)]) * 2, once.contributions)


@calm
@given(groups(), st.sampled_from([0.25, 0.5, 2, 8]))
def test_the_size_of_the_picture_does_not_matter(group, factor):
    predictions, faces = group
    larger = [Face(one.box * np.float32(factor), one.score) for one in faces]
    size = (int(SIZE[0] * factor), int(SIZE[1] * factor))
    np.testing.assert_allclose(
        group_affect(predictions, faces, SIZE).contributions,
        group_affect(predictions, larger, size).contributions,
        atol=1e-6,
    )


def test_a_tiny_doubtful_face_barely_matters():
    predictions = [shows((HAPPY, 1)), shows((HAPPY, 1)), shows((SAD, 1))]
    faces = [face(side=300), face(x=500, side=300), face(x=900, side=12, score=0.3)]
    affect = group_affect(predictions, faces, SIZE)
    assert affect.prediction.probability("positive") > 0.98
    assert affect.contributions[2] < 0.01


def test_only_the_part_inside_the_picture_counts():
    cut = Face(np.array([-300, 0, 100, 100], np.float32), 1.0)  # 400 x 100, of which 100 x 100 can be seen
    assert face_weights([face(x=500), cut], SIZE) == pytest.approx([0.5, 0.5])
    outside = [Face(np.array([-50, -50, -10, -10], np.float32), 1.0)] * 2
    assert face_weights(outside, SIZE) == pytest.approx([0.5, 0.5])


def test_a_class_without_polarity_is_named():
    mine = taxonomy("mine", ["bored", "happy"])
    bored = Prediction("expression", mine, np.array([0.5, 0.5], np.float32), 0.5, "test")
    with pytest.raises(LabelError, match="bored"):
        group_affect([bored], [face()], SIZE)
