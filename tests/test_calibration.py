import numpy as np
import pytest

from emolens.evaluation.calibration import at_its_bound, fit_temperature, one_hot_top
from emolens.models.classifier import softmax


def test_the_temperature_that_made_the_targets_is_found() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (500, 6)).astype(np.float32)
    assert fit_temperature(logits, softmax(logits / 2.5)) == pytest.approx(2.5, rel=1e-3)


def test_votes_and_top_labels_want_different_temperatures() -> None:
    # A net that gives people's distributions exactly is right to be unsure of any one vote, and still always finds
    # the top label: calibrated for the votes at 1, far too modest about its label.
    logits = np.random.default_rng(1).normal(0, 1, (500, 6)).astype(np.float32)
    votes = softmax(logits)
    assert fit_temperature(logits, votes) == pytest.approx(1, rel=1e-3)
    assert fit_temperature(logits, one_hot_top(votes)) < 0.2


def test_the_largest_error_counts_where_it_is_weighed() -> None:
    chance = np.random.default_rng(2)
    logits = chance.normal(0, 1, (400, 7)).astype(np.float32)
    votes = np.array(
        [chance.multinomial(15, row) / 15 for row in softmax(logits + chance.normal(0, 0.8, logits.shape))]
    )
    fitted = {weight: fit_temperature(logits, votes, weight) for weight in (0, 1, 100)}
    farthest = {w: np.abs(softmax(logits / t) - votes).max(axis=1).mean() for w, t in fitted.items()}
    assert farthest[100] < farthest[1] < farthest[0]
    around = [np.abs(softmax(logits / t) - votes).max(axis=1).mean() for t in np.geomspace(0.3, 3, 200)]
    assert farthest[100] == pytest.approx(min(around), abs=1e-3)


def test_the_first_of_equals_is_the_top() -> None:
    assert one_hot_top(np.array([[0.4, 0.4, 0.2]])).tolist() == [[1, 0, 0]]


def test_a_temperature_that_could_not_be_fitted_is_known_by_its_bound() -> None:
    chance = np.random.default_rng(3)
    labels = np.eye(4)[chance.integers(0, 4, 400)]
    assert at_its_bound(fit_temperature(-5 * labels, labels))  # always wrong: the flatter, the better
    assert at_its_bound(fit_temperature(labels / 10, labels))  # always right: the sharper, the better
    assert not at_its_bound(fit_temperature(labels + chance.normal(0, 1, (400, 4)), labels))
