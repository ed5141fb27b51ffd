import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import f1_score, recall_score

from emolens.evaluation.expression import measure
from emolens.evaluation.metrics import (
    calibration_error,
    calibration_floor,
    chebyshev,
    cosine,
    divergence,
    estimate,
    hits,
    intersection,
    macro_f1,
    mean_estimate,
)
from emolens.taxonomy import GROUP3, Taxonomy


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(3)
    return chance.dirichlet(np.ones(5), 200), chance.dirichlet(np.ones(5) * 0.5, 200)


def test_divergence_is_scipys_relative_entropy_of_the_target(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, target = pair
    np.testing.assert_allclose(divergence(predicted, target), entropy(target, predicted, axis=1), rtol=1e-6)


def test_divergence_by_hand_and_without_votes() -> None:
    target = np.array([[1.0, 0.0], [0.5, 0.5]])
    predicted = np.array([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(divergence(predicted, target), [np.log(4), 0], atol=1e-12)


def test_distances_by_hand() -> None:
    p, q = np.array([[0.6, 0.4, 0.0]]), np.array([[0.0, 0.4, 0.6]])
    assert chebyshev(p, q) == pytest.approx([0.6])
    assert intersection(p, q) == pytest.approx([0.4])
    assert cosine(p, q) == pytest.approx([0.16 / 0.52])


def test_recall_and_macro_f1_are_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, target = pair
    truth, guess = target.argmax(1), predicted.argmax(1)
    names = ("anger", "disgust", "fear", "happiness", "sadness")
    found = [m for m in measure(predicted, predicted.max(1), target, Taxonomy("five", names), "") if "recall" in m.name]
    assert [m.name for m in found] == [f"recall_{name}" for name in names]
    np.testing.assert_allclose([m.value for m in found], recall_score(truth, guess, average=None), atol=1e-5)
    assert macro_f1(predicted, target) == pytest.approx(f1_score(truth, guess, average="macro"))


def test_calibration_error_by_hand() -> None:
    # Bin (.9, 1]: two predictions of .95, one right: gap |1 - 1.9| = .9. Bin (.3, .4]: one of .35, right: gap .65.
    confidence, right = np.array([0.95, 0.95, 0.35]), np.array([1.0, 0.0, 1.0])
    assert calibration_error(confidence, right, bins=10) == pytest.approx((0.9 + 0.65) / 3)


def test_a_calibrated_model_scores_the_floor_and_not_zero() -> None:
    chance = np.random.default_rng(0)
    confidence = chance.uniform(0.3, 1, 3500)
    right = (chance.random(3500) < confidence).astype(float)
    floor = calibration_floor(confidence)
    assert 0.005 < floor < 0.03
    assert calibration_error(confidence, right) == pytest.approx(floor, abs=0.01)


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    values = (np.arange(1000) < 800).astype(float)
    found = mean_estimate(values)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert found.value == 0.8
    assert found.n == 1000
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.004)


def test_the_bootstrap_keeps_rows_together(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, _ = pair
    found = estimate(lambda p, t: float(hits(p, t).mean()), predicted, predicted, draws=20)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_measure_names_rows_and_counts() -> None:
    target = np.eye(3)[[0, 0, 1]]
    predicted = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    found = {m.name: m for m in measure(predicted, predicted.max(1), target, GROUP3, "three rows")}
    assert found["accuracy"].value == pytest.approx(2 / 3, abs=1e-5)
    assert found["recall_negative"].n == 2
    assert found["recall_negative"].value == 0.5
    assert "recall_positive" not in found
    assert {m.subset for m in found.values()} == {"three rows"}
