from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance
from scipy.stats import pearsonr

from emolens.errors import LabelError
from emolens.evaluation.distributions import (
    MEAN_PREDICTOR,
    canberra,
    canberra_normalised,
    clark,
    clark_normalised,
    concordance,
    correlation,
    measure,
    per_picture,
)

P = np.array([[0.5, 0.5, 0.0, 0.0]])
Q = np.array([[0.25, 0.5, 0.25, 0.0]])


def test_clark_and_canberra_by_hand():
    # |p - q| / (p + q) is 1/3, 0, 1 and 0/0, which counts as 0
    assert clark(P, Q)[0] == pytest.approx(np.sqrt(1 / 9 + 1))
    assert canberra(P, Q)[0] == pytest.approx(4 / 3)
    assert clark_normalised(P, Q)[0] == pytest.approx(np.sqrt(10 / 9) / 2)
    assert canberra_normalised(P, Q)[0] == pytest.approx(1 / 3)


def test_canberra_is_that_of_scipy():
    rows = np.random.default_rng(0).dirichlet(np.ones(7), (2, 50))
    wanted = [distance.canberra(p, q) for p, q in zip(*rows, strict=True)]
    np.testing.assert_allclose(canberra(*rows), wanted)


def test_opposite_distributions_are_at_the_largest_distance():
    p, q = np.eye(2)[:1], np.eye(2)[1:]
    assert clark_normalised(p, q)[0] == canberra_normalised(p, q)[0] == 1


def test_concordance_by_hand_and_what_it_punishes():
    truth = np.array([1.0, 2.0, 3.0])
    assert concordance(truth, truth) == pytest.approx(1)
    # shifted by 1: 2 * 2/3 / (2/3 + 2/3 + 1)
    assert concordance(truth + 1, truth) == pytest.approx(4 / 7)
    assert correlation(truth + 1, truth) == pytest.approx(1)
    assert np.isnan(correlation(np.ones(3), truth))


def test_correlation_is_that_of_scipy():
    a, b = np.random.default_rng(1).normal(size=(2, 40))
    assert correlation(a, b) == pytest.approx(pearsonr(a, b).statistic)


def test_the_keyword_is_another_question_than_the_top_class():
    target = np.array([[0.1, 0.9], [0.8, 0.2]])
    found = per_picture(np.array([[0.2, 0.8], [0.6, 0.4]]), target, keyword=np.array([0, 0]))
    assert found["accuracy_top"].tolist() == [1, 1]
    assert found["accuracy_keyword"].tolist() == [0, 1]


def test_every_figure_stands_beside_the_mean_predictor():
    chance = np.random.default_rng(2)
    target = chance.dirichlet(np.ones(3), 60)
    valence = chance.normal(size=60)
    figures = measure(target, target, target.mean(axis=0), "held out", values={"valence": (valence, valence)})
    own = {f.name: f for f in figures if f.subset == "held out"}
    beside = {f.name: f for f in figures if f.subset == "held out" + MEAN_PREDICTOR}
    assert own["kl"].value == pytest.approx(0, abs=1e-9)
    assert own["valence_ccc"].value == pytest.approx(1)
    assert beside["kl"].value > 0.1
    assert beside["kl"].low < beside["kl"].value < beside["kl"].high
    assert beside["kl"].n == 60


def test_rows_that_are_no_distributions_are_named():
    with pytest.raises(LabelError, match=r"targets: row 1 .* sum 0\.9.*1 of 2 so"):
        per_picture(np.full((2, 2), 0.5), np.array([[0.5, 0.5], [0.4, 0.5]]))
