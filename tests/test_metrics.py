import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support, top_k_accuracy_score

from emolens.evaluation.classes import balanced_accuracy, confusion, confusion_draws, macro_f1
from emolens.evaluation.expression import card_metrics, judge
from emolens.evaluation.metrics import (
    calibration_error,
    calibration_estimate,
    calibration_floor,
    chebyshev,
    cosine,
    divergence,
    estimate,
    hits,
    intersection,
    mean_estimate,
    share_estimate,
    top_two,
)
from emolens.taxonomy import Taxonomy
from fakes_predictions import table


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


def test_distances_are_those_of_python_ldl() -> None:
    # python-ldl 0.1.2 (pyldl.metrics), run once by hand: it wants Keras, which no test here needs.
    predicted = np.array([[0.119, 0.278, 0.58, 0.023], [0.028, 0.91, 0.017, 0.045], [0.135, 0.326, 0.16, 0.379]])
    target = np.array([[0.05, 0.573, 0.174, 0.203], [0.027, 0.149, 0.231, 0.593], [0.009, 0.043, 0.935, 0.013]])
    wanted = {
        chebyshev: 0.6473333333333334,
        cosine: 0.4223082499754378,
        intersection: 0.3293333333333333,
        divergence: 1.320053565395896,
    }
    for distance, value in wanted.items():
        assert distance(predicted, target).mean() == pytest.approx(value, abs=1e-6)


def test_class_figures_are_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, target = pair
    truth, guess = target.argmax(1), predicted.argmax(1)
    five = Taxonomy("five", ("anger", "disgust", "fear", "happiness", "sadness"))
    found = judge(table(200, taxonomy=five, probabilities=predicted, targets=target, logits=None))
    wanted = precision_recall_fscore_support(truth, guess)
    for place, name in enumerate(("precision", "recall", "f1")):
        values = [getattr(one, name).value for one in found.classes]
        np.testing.assert_allclose(values, wanted[place], atol=1e-6)
    assert [one.n for one in found.classes] == wanted[3].tolist()
    assert found.figures["macro_f1"].value == pytest.approx(f1_score(truth, guess, average="macro"), abs=1e-6)
    balanced = balanced_accuracy_score(truth, guess)
    assert found.figures["balanced_accuracy"].value == pytest.approx(balanced, abs=1e-6)
    top2 = top_k_accuracy_score(truth, predicted, k=2)
    assert found.figures["top2_accuracy"].value == pytest.approx(top2, abs=1e-6)


def test_calibration_and_confusion_are_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    predicted, target = pair
    shares, truth = torch.from_numpy(predicted), torch.from_numpy(target.argmax(1))
    error = classification.multiclass_calibration_error(shares, truth, 5, n_bins=15, norm="l1")
    assert calibration_error(predicted.max(1), hits(predicted, target)) == pytest.approx(float(error), abs=1e-6)
    counts = classification.multiclass_confusion_matrix(shares.argmax(1), truth, 5)
    np.testing.assert_array_equal(confusion(target.argmax(1), predicted.argmax(1), 5), counts.numpy())
    torch_f1 = classification.multiclass_f1_score(shares.argmax(1), truth, 5, average="macro")
    assert macro_f1(counts.numpy()) == pytest.approx(float(torch_f1), abs=1e-6)


def test_a_class_that_does_not_occur_has_no_figure_and_counts_in_no_mean() -> None:
    counts = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert balanced_accuracy(counts) == pytest.approx((3 / 4 + 1) / 2)
    assert macro_f1(counts) == pytest.approx((6 / 7 + 4 / 5) / 2)


def test_drawing_confusion_matrices_is_resampling_rows() -> None:
    # The interval of a share from multinomial draws is that of the bootstrap over rows.
    counts = np.array([[70, 30], [20, 80]])
    shares = np.trace(confusion_draws(counts), axis1=1, axis2=2) / 200
    rows = mean_estimate((np.arange(200) < 150).astype(float))
    assert np.percentile(shares, [2.5, 97.5]) == pytest.approx((rows.low, rows.high), abs=0.01)
    assert (confusion_draws(counts).sum(axis=(1, 2)) == 200).all()


def test_the_second_guess_counts_for_top_two_and_the_third_does_not() -> None:
    predicted = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3]])
    assert top_two(predicted, np.eye(3)[[1, 2, 2]]).tolist() == [1, 0, 0]  # of equals the first


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


def test_the_interval_of_a_calibration_error_holds_it() -> None:
    chance, held = np.random.default_rng(0), 0
    for _ in range(10):
        confidence = chance.uniform(0.3, 1, 2000)
        found = calibration_estimate(confidence, (chance.random(2000) < confidence).astype(float), draws=300)
        held += found.low <= found.value <= found.high
    assert held == 10


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Wilson's centre (k + z^2 / 2) / (n + z^2), z = 1.96: of 3 hits in 3 rows the low end is n / (n + z^2).
    few = share_estimate(3, 3)
    assert (few.value, few.high) == (1, pytest.approx(1))
    assert few.low == pytest.approx(3 / (3 + 1.959964**2))
    assert share_estimate(0, 3).high == pytest.approx(1 - few.low)
    assert np.isnan(share_estimate(0, 0).value)


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


def test_a_card_gets_named_rows_and_counts() -> None:
    target = np.eye(3)[[0, 0, 1]]
    predicted = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    rows = table(3, targets=target, probabilities=predicted, confidence=predicted.max(1), subset="three rows")
    found = {m.name: m for m in card_metrics(judge(rows))}
    assert found["accuracy"].value == pytest.approx(2 / 3, abs=1e-5)
    assert found["recall_negative"].n == 2
    assert found["recall_negative"].value == 0.5
    assert "recall_positive" not in found
    assert {m.subset for m in found.values()} == {"three rows"}
