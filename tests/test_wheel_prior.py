from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from emolens.errors import LabelError, OptionError, UnknownName
from emolens.learn.nets.wheel_prior import WheelPrior, prior_matrix, wheel_with_neutral
from emolens.taxonomy import EKMAN6, EMOTION6, GROUP3, MIKELS8


def test_the_prior_is_that_of_the_published_code() -> None:
    # rows anger, disgust, ... of its heat map
    wanted = [
        [0.665523, 0.165950, 0.000002, 0.165950, 0.002573, 0.000002],
        [0.165525, 0.663818, 0.002566, 0.002566, 0.165525, 0.000000],
    ]
    np.testing.assert_allclose(prior_matrix("original", EKMAN6)[:2], wanted, atol=1e-6)


def test_neutral_keeps_to_itself_and_eight_need_no_stand_ins() -> None:
    seven, six = wheel_with_neutral(EMOTION6), prior_matrix("original", EKMAN6)
    np.testing.assert_array_equal(seven[:6, :6], six)
    assert seven[6].tolist() == [0] * 6 + [1]
    assert prior_matrix("original", MIKELS8).shape == (8, 8)


def test_correlations_are_those_of_numpy_on_the_rows_given() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(6), 40).astype(np.float32)
    np.testing.assert_allclose(prior_matrix("corr", EKMAN6, rows), np.corrcoef(rows.T), atol=1e-6)
    shares = prior_matrix("corr_softmax", EKMAN6, rows)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(prior_matrix("corr_log_softmax", EKMAN6, rows), np.log(shares), atol=1e-6)


def test_layer_on_logits_is_the_matrix_product_and_on_probabilities_keeps_the_mass() -> None:
    logits = torch.randn(5, 6)
    matrix = prior_matrix("original", EKMAN6)
    torch.testing.assert_close(WheelPrior(matrix)(logits), logits @ torch.from_numpy(matrix).T)
    handed = WheelPrior(matrix, on="probabilities")(logits).exp()
    torch.testing.assert_close(handed, logits.softmax(dim=1) @ torch.from_numpy(matrix))
    torch.testing.assert_close(handed.sum(dim=1), torch.ones(5))


@pytest.mark.parametrize(
    ("error", "does", "says"),
    [
        (UnknownName, lambda: prior_matrix("orignal", EKMAN6), "Did you mean 'original'"),
        (OptionError, lambda: prior_matrix("corr", EKMAN6), "distributions of the training rows"),
        (OptionError, lambda: WheelPrior(-np.eye(6), on="probabilities"), "original, eye or corr_softmax"),
        (LabelError, lambda: prior_matrix("original", GROUP3), "init none, eye, rand or corr"),
    ],
)
def test_wrong_words_are_named(error: type[Exception], does: Callable[[], object], says: str) -> None:
    with pytest.raises(error, match=says):
        does()
