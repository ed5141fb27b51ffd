from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest

from emolens.errors import DataError, OptionError
from emolens.evaluation.ensemble import combine
from emolens.evaluation.metrics import calibration_error, divergence, hits
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.simplex import best_on_simplex, simplex
from emolens.evaluation.stacking import stacked
from emolens.evaluation.storing import read_tables
from emolens.evaluation.weighting import likelihood_weights
from fakes_predictions import table


def accuracy(one: Predictions) -> float:
    return float(hits(one.probabilities, one.targets).mean())


def test_the_simplex_has_every_point_and_its_corners() -> None:
    points = list(simplex(5))
    assert len(points) == len(set(points)) == comb(24, 4) == 10_626
    assert all(sum(point) == 20 for point in points)
    assert {tuple(20 * np.eye(5, dtype=int)[k]) for k in range(5)} < set(points)


def test_a_member_that_is_always_right_gets_all_the_weight() -> None:
    truth = np.arange(30) % 3
    right, wrong = np.eye(3)[truth], np.eye(3)[(truth + 1) % 3]
    weights, how = best_on_simplex(np.stack([wrong, 0.6 * right + 0.2, wrong]), truth)
    assert weights.tolist() == [0, 1, 0]
    assert how == "all 231 points"


def test_many_members_are_searched_greedily_on_the_same_simplex() -> None:
    members = [table(seed=seed).split("val") for seed in range(9)]
    weights, how = best_on_simplex(np.stack([one.probabilities for one in members]), members[0].truth)
    assert "greedy" in how
    np.testing.assert_allclose(weights * 20, np.round(weights * 20))
    assert weights.sum() == pytest.approx(1)
    mixed = np.tensordot(weights, np.stack([one.probabilities for one in members]), axes=1)
    assert hits(mixed, members[0].targets).mean() >= max(map(accuracy, members))


def test_likelihood_weights_find_the_mixture_that_made_the_targets() -> None:
    chance = np.random.default_rng(0)
    members = chance.dirichlet(np.ones(4), (3, 400))
    wanted = np.array([0.7, 0.0, 0.3])
    found = likelihood_weights(members, np.tensordot(wanted, members, axes=1))
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert found.min() >= 0


def test_a_stack_never_learns_from_the_row_it_predicts() -> None:
    members = np.stack([table(seed=seed, n=90).probabilities for seed in (0, 1)]).astype(float)
    truth = table(n=90).truth
    before, _, _ = stacked(members, np.eye(3)[truth], members)
    honest = hits(before, np.eye(3)[truth]).mean()
    noise = np.eye(3)[np.random.default_rng(0).integers(0, 3, 90)]
    after, _, _ = stacked(members, noise, members)
    assert hits(after, noise).mean() < 0.5 < honest  # labels without sense cannot be learnt by heart


def test_a_stack_learns_how_votes_spread_not_their_tops_alone() -> None:
    chance = np.random.default_rng(0)
    votes = chance.dirichlet(np.ones(3), 600)  # two members that see the votes through a little noise
    members = np.stack([0.8 * votes + 0.2 * chance.dirichlet(np.ones(3), 600) for _ in range(2)])
    of_votes, _, _ = stacked(members, votes, members)
    of_labels, _, _ = stacked(members, np.eye(3)[votes.argmax(axis=1)], members)
    assert divergence(of_votes, votes).mean() < 0.05 < 0.3 < divergence(of_labels, votes).mean()


def test_a_combination_says_how_often_its_top_label_is_right() -> None:
    labels = table(n=4000)
    shy = [replace(one, probabilities=0.25 * one.probabilities + 0.25) for one in (labels, table(n=4000, seed=1))]
    mean = combine(shy)[0].reported
    right = hits(mean.probabilities, mean.targets)
    assert calibration_error(mean.probabilities.max(axis=1), right) > 0.3
    assert calibration_error(mean.confidence, right) < 0.05


def test_every_method_stands_beside_the_others() -> None:
    found = combine([table(seed=seed, n=200) for seed in range(3)], weights=[2, 1, 1])
    assert [one.method for one in found] == ["given", "mean", "simplex", "nll", "stacking"]
    by = {one.method: one for one in found}
    assert by["given"].weights == (0.5, 0.25, 0.25)
    assert accuracy(by["simplex"].chosen) >= max(accuracy(by[name].chosen) for name in ("given", "mean"))
    mean = np.mean([table(seed=seed, n=200).split("test").probabilities for seed in range(3)], axis=0)
    np.testing.assert_allclose(by["mean"].reported.probabilities, mean, atol=1e-6)
    assert set(by["mean"].reported.splits) == {"test"}


def test_valence_of_one_member_is_not_that_of_all() -> None:
    members = [table(seed=seed, n=60, task="evoked", values=np.full((60, 2), 4 + seed, np.float32)) for seed in (0, 1)]
    assert [one.reported.values for one in combine(members)] == [None] * 4


def test_nothing_is_chosen_on_the_split_that_is_reported() -> None:
    members = [table(seed=seed, n=200) for seed in range(3)]
    test = members[0].splits == "test"
    spoilt = [replace(one, targets=np.where(test[:, None], np.roll(one.targets, 1, axis=1), one.targets))
              for one in members]  # fmt: skip
    for honest, other in zip(combine(members), combine(spoilt), strict=True):
        assert honest.weights == other.weights
        np.testing.assert_array_equal(honest.reported.probabilities, other.reported.probabilities)
    with pytest.raises(OptionError, match="chosen and reported on 'val'"):
        combine(members, "val", "val")


def test_what_cannot_be_combined_is_refused() -> None:
    first, other = table(seed=0), table(seed=1)
    with pytest.raises(DataError, match="does not align"):
        combine([first, other.keep(np.random.default_rng(0).permutation(60))])
    votes = (2 * first.targets + 1) / 5
    turned = (2 * first.targets + np.roll(first.targets, 1, axis=1)) / 3  # the same labels on top
    with pytest.raises(DataError, match=r"model1 does not align with model0: row 0 \(row-0000\) has a share of"):
        combine([replace(first, targets=votes), replace(other, targets=turned)])
    with pytest.raises(OptionError, match="one table is no ensemble"):
        combine([first])
    with pytest.raises(OptionError, match="needs 2 numbers of 0 or more"):
        combine([first, other], weights=[1, -1])
    with pytest.raises(OptionError, match="model1 holds no logits"):
        combine([first, replace(other, logits=None)], space="logits")


@pytest.fixture(scope="module")
def hybrid(shared_data: Path) -> list[Predictions]:
    folder = shared_data / "group_outputs" / "hybrid"
    if not folder.is_dir():
        pytest.skip("the outputs of the old group systems are not here")
    return [one for k in ("1", "2", "3", "4_1", "5") for one in read_tables(folder / f"model{k}_output_data.npz")]


def test_the_members_of_the_hybrid_group_system_are_what_was_measured(hybrid: list[Predictions]) -> None:
    found = [[round(accuracy(one.split(split)), 4) for split in ("val", "test")] for one in hybrid]
    assert found == [[0.7285, 0.749], [0.6767, 0.679], [0.6504, 0.652], [0.6121, 0.64], [0.7617, 0.763]]


def test_its_published_ensemble_is_reproduced_and_so_is_the_honest_one(hybrid: list[Predictions]) -> None:
    published = combine(hybrid, "train", "test", "logits", [0.3, 0, 0, 0.2, 0.5])[0]
    assert round(accuracy(published.chosen), 4) == 0.8902
    assert round(accuracy(published.reported), 4) == 0.796
    given, _, simplex = combine(hybrid, "val", "test", "logits", [0.3, 0, 0, 0.2, 0.5])
    assert round(accuracy(given.chosen), 4) == 0.7791
    assert simplex.weights == pytest.approx((0.2, 0.25, 0.05, 0.1, 0.4))  # chosen on VAL, not on EVAL
    assert round(accuracy(simplex.chosen), 4) == 0.7845
    assert round(accuracy(simplex.reported), 4) == 0.782


def test_the_shuffled_model_of_the_hybrid_system_is_refused(hybrid: list[Predictions], shared_data: Path) -> None:
    shuffled = read_tables(shared_data / "group_outputs" / "hybrid" / "model0_output_data.npz")
    with pytest.raises(DataError, match="model0 does not align with model1: row 0"):
        combine([hybrid[0], *shuffled])


def test_the_forerunners_members_and_their_mean(shared_data: Path) -> None:
    path = shared_data / "group_outputs" / "vl" / "fourteen_models_output_data.npz"
    if not path.is_file():
        pytest.skip("the outputs of the forerunner are not here")
    members = [one.split("test") for one in read_tables(path)]
    wanted = [0.708, 0.702, 0.742, 0.724, 0.739, 0.752, 0.762, 0.75, 0.72, 0.699, 0.73, 0.751, 0.751, 0.743]
    assert [round(accuracy(one), 4) for one in members] == wanted
    mean = np.mean([one.probabilities for one in members], axis=0)
    assert hits(mean, members[0].targets).mean() == pytest.approx(0.786)


@pytest.mark.parametrize("rows", [4, 12])
def test_a_stack_of_one_class_or_of_few_rows_is_refused(rows: int) -> None:
    known = np.full((2, rows, 3), 1 / 3)
    with pytest.raises(OptionError, match=f"{rows} rows with 1 classes to choose on; stacking needs 5 rows"):
        stacked(known, np.eye(3)[np.zeros(rows, int)], known)
