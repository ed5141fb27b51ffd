import numpy as np
import pytest

from emolens.evaluation.curves import operating_points, reliability, risk_coverage
from emolens.evaluation.metrics import calibration_error


def test_risk_by_hand() -> None:
    # The surest is right, the next wrong, the last right: errors 0/1, 1/2, 1/3.
    found = risk_coverage(np.array([0.5, 0.9, 0.7]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found.risk, [0, 1 / 2, 1 / 3])
    np.testing.assert_allclose(found.coverage, [1 / 3, 2 / 3, 1])
    assert found.threshold.tolist() == [0.9, 0.7, 0.5]
    assert found.area == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_confidence_that_says_nothing_has_the_error_as_its_area() -> None:
    right = np.array([1.0, 0.0, 0.0, 1.0])
    assert risk_coverage(np.full(4, 0.7), right).area == pytest.approx(0.5)
    assert risk_coverage(np.full(4, 0.7), right[::-1]).area == pytest.approx(0.5)  # whatever order they stand in


def test_better_ranking_has_a_smaller_area() -> None:
    right = (np.arange(100) < 80).astype(float)
    good, bad = risk_coverage(-np.arange(100.0), right), risk_coverage(np.arange(100.0), right)
    assert good.area < 0.2 < bad.area
    assert good.risk[-1] == bad.risk[-1] == pytest.approx(0.2)


def test_a_threshold_answers_as_many_rows_as_it_says() -> None:
    chance = np.random.default_rng(0)
    confidence = chance.random(1000)
    right = (chance.random(1000) < confidence).astype(float)
    for point in operating_points(risk_coverage(confidence, right)):
        answered = confidence >= point["threshold"]
        assert answered.mean() == pytest.approx(point["coverage"])
        assert right[answered].mean() == pytest.approx(point["accuracy"])


def test_a_threshold_that_parts_no_rows_is_named_once_and_truly() -> None:
    confidence, right = np.repeat([0.9, 0.5], [60, 40]), np.repeat([1.0, 0.0], [60, 40])
    points = operating_points(risk_coverage(confidence, right))
    assert [(p["threshold"], p["coverage"], p["accuracy"]) for p in points] == [(0.5, 1.0, 0.6), (0.9, 0.6, 1.0)]


def test_a_threshold_of_three_digits_leaves_out_no_row_that_it_counts() -> None:
    (point,) = operating_points(risk_coverage(np.full(50, 0.99987), np.ones(50)))
    assert point == {"threshold": 0.999, "coverage": 1.0, "accuracy": 1.0}


def test_the_diagram_holds_the_calibration_error() -> None:
    chance = np.random.default_rng(1)
    confidence, right = chance.random(500), (chance.random(500) < 0.5).astype(float)
    found = reliability(confidence, right)
    gaps = np.abs(found.accuracy - found.confidence) * found.n
    assert gaps.sum() / 500 == pytest.approx(calibration_error(confidence, right))
    assert found.n.sum() == 500
