from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from emolens.errors import OptionError
from emolens.evaluation.baselines import mean_predictor, neighbours, softmax_regression


def test_neighbours_average_the_targets_of_the_nearest() -> None:
    features = np.array([[0.0], [1.0], [10.0]])
    targets = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(neighbours(features, targets, np.array([[0.4]]), k=2), [[0.75, 0.25]])
    np.testing.assert_allclose(neighbours(features, targets, np.array([[5.0]]), k=3), mean_predictor(targets, 1))
    with pytest.raises(OptionError, match="needs 1 to 3"):
        neighbours(features, targets, features, k=4)


def test_softmax_regression_finds_the_model_that_made_the_targets() -> None:
    chance = np.random.default_rng(0)
    features, weights = chance.normal(size=(200, 3)), chance.normal(size=(3, 4))
    targets = softmax(features @ weights + 0.5, axis=1)
    np.testing.assert_allclose(softmax_regression(features, targets, features, l2=1e-6), targets, atol=2e-3)


def test_on_labels_it_is_scikit_learns_logistic_regression() -> None:
    chance = np.random.default_rng(1)
    features = chance.normal(size=(120, 4))
    labels = (features[:, 0] + chance.normal(size=120) > 0).astype(int) + (features[:, 1] > 0)
    wanted = LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(features, labels).predict_proba(features)
    found = softmax_regression(features, np.eye(3)[labels], features, l2=2.0)  # C is 1 / l2
    np.testing.assert_allclose(found, wanted, atol=1e-3)
