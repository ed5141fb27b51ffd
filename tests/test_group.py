import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emolens.errors import LabelError
from emolens.group import CERTAINTY_FLOOR, face_weights, group_affect
from emolens.records import Face, Prediction
from emolens.taxonomy import FERPLUS, GROUP3, taxonomy

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


def test_the_arithmetic_of_two_faces():
    # Both are certain (entropy 0); the sad one is twice as wide and found with half the score: 1 : 1.
    affect = group_affect(
        [shows((SAD, 1)), shows((HAPPY, 1))], [face(side=200, score=0.5), face(x=500, side=100)], SIZE
    )
    np.testing.assert_allclose(affect.prediction.distribution, [0.5, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(affect.contributions, [0.5, 0.5], atol=1e-6)
    # A face torn between two of eight classes has certainty 1 - log 2 / log 8 = 2/3 beside one that is certain.
    torn = shows((SAD, 0.5), (NEUTRAL, 0.5))
    weights = face_weights([torn, shows((HAPPY, 1))], [face(), face(x=500)], SIZE)
    np.testing.assert_allclose(weights, [2 / 5, 3 / 5], atol=1e-6)


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
    expected = [
        p("anger") + p("disgust") + p("fear") + p("sadness") + p("contempt"),
        p("neutral") + p("surprise"),
        p("happiness"),
    ]
    affect = group_affect([prediction], [one], SIZE)
    np.testing.assert_allclose(affect.prediction.distribution, expected, atol=1e-5)
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
def test_every_face_twice_is_the_same_group(group):
    once, twice = group_affect(*group, SIZE), group_affect(group[0] * 2, group[1] * 2, SIZE)
    np.testing.assert_allclose(once.prediction.distribution, twice.prediction.distribution, atol=1e-6)


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
    predictions = [shows((HAPPY, 1)), shows((SAD, 1))]
    affect = group_affect(predictions, [face(side=300), face(x=500, side=12, score=0.3)], SIZE)
    assert affect.prediction.probability("positive") > 0.98


def test_only_the_part_inside_the_picture_counts():
    predictions = [shows((HAPPY, 1)), shows((SAD, 1))]
    cut = Face(np.array([-300, 0, 100, 100], np.float32), 1.0)  # 400 x 100, of which 100 x 100 can be seen
    assert group_affect(predictions, [face(x=500), cut], SIZE).contributions == pytest.approx((0.5, 0.5))


def test_undecided_faces_are_averaged():
    uniform = shows(*((k, 1 / 8) for k in range(8)))
    faces = [face(), face(x=500)]
    assert group_affect([uniform, uniform], faces, SIZE).contributions == pytest.approx((0.5, 0.5))
    share = group_affect([uniform, shows((HAPPY, 1))], faces, SIZE).contributions[0]
    assert share == pytest.approx(CERTAINTY_FLOOR / (1 + CERTAINTY_FLOOR), abs=1e-4)
    outside = [Face(np.array([-50, -50, -10, -10], np.float32), 1.0)] * 2
    assert group_affect([uniform, shows((HAPPY, 1))], outside, SIZE).contributions == pytest.approx((0.5, 0.5))


def test_a_class_without_polarity_is_named():
    mine = taxonomy("mine", ["bored", "happy"])
    bored = Prediction("expression", mine, np.array([0.5, 0.5], np.float32), 0.5, "test")
    with pytest.raises(LabelError, match="bored"):
        group_affect([bored], [face()], SIZE)
