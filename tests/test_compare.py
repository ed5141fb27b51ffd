from dataclasses import replace

import numpy as np
import pytest

from emolens.errors import DataError
from emolens.evaluation.compare import compare, mcnemar
from fakes_predictions import table


def test_mcnemar_by_hand() -> None:
    assert mcnemar(5, 0) == pytest.approx(2 / 32)  # five coins, all on one side, or all on the other
    assert mcnemar(3, 1) == pytest.approx(2 * (1 + 4) / 16)
    assert mcnemar(4, 4) == 1
    assert mcnemar(0, 0) == 1


def test_a_model_differs_from_itself_in_nothing() -> None:
    found = compare(table(), table(), draws=50)
    assert (found.gained, found.lost, found.p_value) == (0, 0, 1)
    assert all((gap.value, gap.low, gap.high) == (0, 0, 0) for gap in found.differences.values())


def test_the_paired_interval_is_narrower_than_two_apart() -> None:
    first = table(400, seed=0)
    shares = first.probabilities.copy()
    shares[:8] = np.roll(shares[:8], 1, axis=1)  # the same model but for eight rows
    found = compare(first, replace(first, probabilities=shares, model="other"), draws=300)
    assert found.gained + found.lost <= 8
    gap = found.differences["accuracy"]
    assert gap.value == pytest.approx((found.gained - found.lost) / 400)
    assert gap.high - gap.low < 0.04  # of each alone it is about .07
    assert gap.low <= gap.value <= gap.high


def test_rows_that_do_not_align_are_not_compared() -> None:
    with pytest.raises(DataError, match="does not align"):
        compare(table(seed=0), table(seed=1).keep(np.arange(60)[::-1]))
