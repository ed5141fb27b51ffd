import numpy as np
import pytest

from emolens.faces.assignment import best_pairs


def test_the_sum_counts_and_not_the_first_choice():
    gains = np.array([[0.9, 0.8], [0.8, 0.1]])  # the greedy pair 0.9 would leave 0.1: together 1.0 and not 1.6
    assert best_pairs(gains, 0.05) == [(0, 1), (1, 0)]


def test_what_gains_too_little_is_left_alone():
    assert best_pairs(np.array([[0.2, 0.6], [0.1, 0.29]]), 0.3) == [(0, 1)]
    assert best_pairs(np.zeros((0, 3)), 0.3) == []
    assert best_pairs(np.zeros((3, 0)), 0.3) == []


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (7, 7), (12, 9)])
def test_the_sum_is_that_of_scipy(shape):
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(20):
        gains = np.random.default_rng(seed).random(shape)
        gains = np.where(gains > 0.4, gains, 0)
        pairs = best_pairs(gains, 0.4)
        rows, columns = optimize.linear_sum_assignment(gains, maximize=True)
        assert sum(gains[pair] for pair in pairs) == pytest.approx(gains[rows, columns].sum())
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
