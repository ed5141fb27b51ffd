import json
from pathlib import Path

import numpy as np
import pytest

from emolens.analyzer import Analyzer
from emolens.errors import OptionError
from emolens.evaluation.asking import for_population
from emolens.models.classifier import Classifier, softmax
from emolens.models.prior import estimated_prior, read_prior, reweighted, shifted
from emolens.taxonomy import FERPLUS, GROUP3
from fakes import linear_card, linear_model
from fakes_predictions import table

EVEN = np.full(3, 1 / 3)


def test_reweighting_by_hand() -> None:
    # Twice as many of the first class as in training: odds of 1 to 1 become 2 to 1 against the second.
    found = reweighted(np.array([[0.5, 0.5, 0.0]]), np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(found, [[2 / 3, 1 / 3, 0]], atol=1e-6)


def test_the_training_population_changes_nothing() -> None:
    rows, shares = table().probabilities, np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(reweighted(rows, shares, shares), rows, atol=1e-6)


def test_bayes_rule_holds_when_only_the_shares_change() -> None:
    # Two classes of Gaussians: the posterior under new shares is the re-weighted posterior under the old ones.
    x = np.linspace(-3, 3, 13)
    density = np.stack([np.exp(-((x - m) ** 2) / 2) for m in (-1, 1)], axis=1)
    old, new = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    posterior = [(density * shares) / (density * shares).sum(axis=1, keepdims=True) for shares in (old, new)]
    np.testing.assert_allclose(reweighted(posterior[0], old, new), posterior[1], atol=1e-6)


def test_shares_are_found_again_without_labels() -> None:
    chance, wanted = np.random.default_rng(0), np.array([0.8, 0.2])
    x = chance.normal(size=8000) + np.where(chance.random(8000) < wanted[0], -1.5, 1.5)
    density = np.stack([np.exp(-((x - m) ** 2) / 2) for m in (-1.5, 1.5)], axis=1)
    posterior = density / density.sum(axis=1, keepdims=True)  # of a net that was trained on halves
    np.testing.assert_allclose(estimated_prior(posterior, np.array([0.5, 0.5])), wanted, atol=0.02)


def test_the_confidence_is_that_of_the_new_top_label() -> None:
    rows = np.array([[0.6, 0.3, 0.1]], np.float32)
    trained, wanted = np.array([0.6, 0.2, 0.2]), np.array([0.2, 0.6, 0.2])
    moved, confidence = shifted(rows, np.array([0.6], np.float32), trained, wanted)
    assert moved.argmax() == 1
    assert confidence[0] == pytest.approx(moved.max())  # where confidence was the top probability it stays so
    _, unsure = shifted(rows, np.array([0.9], np.float32), trained, wanted)
    assert unsure[0] < confidence[0]


def test_a_class_that_the_population_lacks_is_never_said() -> None:
    moved = reweighted(np.array([[1.0, 0.0, 0.0]]), np.full(3, 1 / 3), np.array([0.0, 0.5, 0.5]))
    np.testing.assert_allclose(moved, [[0, 0.5, 0.5]])


def test_a_class_that_training_never_had_is_not_blown_up() -> None:
    trained, said = np.array([0.6, 0.4, 0.0]), np.array([[0.9, 0.0999, 0.0001]] * 30)
    even = read_prior("uniform", GROUP3, trained)
    assert even is not None
    assert even.tolist() == [0.5, 0.5, 0]
    assert reweighted(said, trained, even)[0, 2] == 0
    assert estimated_prior(said, trained)[2] == 0


def test_no_share_can_be_asked_for_what_was_never_learnt(tmp_path: Path) -> None:
    path = tmp_path / "shares.json"
    path.write_text(json.dumps({"negative": 1, "neutral": 2, "positive": 1}))
    with pytest.raises(OptionError, match="gives positive a share, which the model never learnt; needs 0 there"):
        read_prior(str(path), GROUP3, np.array([0.6, 0.4, 0.0]))


def test_a_file_names_every_class(tmp_path: Path) -> None:
    path = tmp_path / "shares.json"
    path.write_text(json.dumps({"negative": 1, "neutral": 2, "positive": 1}))
    assert read_prior(str(path), GROUP3, EVEN) == pytest.approx([0.25, 0.5, 0.25])
    assert read_prior("uniform", GROUP3, np.array([0.7, 0.2, 0.1])) == pytest.approx([1 / 3] * 3)
    assert read_prior("data", GROUP3, EVEN) is None
    path.write_text('{"negative": 1}')
    with pytest.raises(OptionError, match="names negative; needs negative, neutral, positive"):
        read_prior(str(path), GROUP3, EVEN)
    for text, says in (("[1]", "not a JSON object"), ('{"negative":-1,"neutral":1,"positive":1}', "must be 0 or more")):
        path.write_text(text)
        with pytest.raises(OptionError, match=says):
            read_prior(str(path), GROUP3, EVEN)
    for name in ("unifrom", "", str(tmp_path)):
        with pytest.raises(OptionError, match=r"needs data, uniform, uniform:0\.2, or a JSON file"):
            read_prior(name, GROUP3, EVEN)


def test_a_part_of_the_way_to_even_shares_is_logit_adjustment() -> None:
    trained, logits = np.array([0.7, 0.2, 0.1]), np.random.default_rng(0).normal(size=(5, 3))
    shares = read_prior("uniform:0.3", GROUP3, trained)
    assert shares is not None
    adjusted = softmax(logits - 0.3 * np.log(trained))  # Menon et al. 2021, tau .3
    np.testing.assert_allclose(reweighted(softmax(logits), trained, shares), adjusted, atol=1e-6)
    assert read_prior("uniform:1", GROUP3, trained) == pytest.approx(EVEN)
    for name in ("uniform:0", "uniform:1.5", "uniform:half", "uniform:", "uniform:nan"):
        with pytest.raises(OptionError, match="a number above 0, at most 1 is needed"):
            read_prior(name, GROUP3, trained)


def test_a_table_says_what_it_was_re_weighted_to() -> None:
    rows = table(prior=(0.2, 0.3, 0.5))
    moved, shares = for_population(rows, "uniform")
    assert moved.model == "model0, prior uniform"
    assert shares == pytest.approx([1 / 3] * 3)
    assert moved.prior == pytest.approx([1 / 3] * 3)
    with pytest.raises(OptionError, match="model0 does not state them"):
        for_population(table(), "uniform")
    with pytest.raises(OptionError, match="has 10 rows to learn from, needs 20"):
        for_population(rows.keep(np.arange(10)), "data")


def test_an_analyzer_for_another_population_says_so(tmp_path: Path) -> None:
    trained = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
    path = linear_model(tmp_path / "m.onnx", linear_card(prior=trained))
    picture = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    plain, moved = (
        Analyzer("expression", models=path, whole_image=True, prior=prior).analyze(picture).expressions[0]
        for prior in (None, "uniform")
    )
    wanted = reweighted(plain.distribution, np.array(trained), np.full(8, 1 / 8))
    np.testing.assert_allclose(moved.distribution, wanted, atol=1e-6)
    assert (plain.model, moved.model) == ("linear", "linear, prior uniform")
    with pytest.raises(OptionError, match="estimated from all pictures at once"):
        Analyzer(models=path, whole_image=True, prior="data")


def test_a_card_without_shares_cannot_be_re_weighted(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="linear does not state them"):
        Analyzer(models=linear_model(tmp_path / "m.onnx"), whole_image=True, prior="uniform")
    with pytest.raises(ValueError, match="prior needs 8 shares"):
        linear_card(prior=(0.5, 0.5))


def test_one_file_serves_both_populations(tmp_path: Path) -> None:
    model = Classifier.load(linear_model(tmp_path / "m.onnx", linear_card(prior=(1 / 8,) * 8)))
    frames = np.random.default_rng(1).integers(0, 255, (3, 16, 16), np.uint8)
    before = model.predict(frames)[0]
    moved = model.for_population(np.eye(8)[0], "only neutral").predict(frames)[0]
    assert (moved.argmax(axis=1) == FERPLUS.index("neutral")).all()
    np.testing.assert_array_equal(model.predict(frames)[0], before)
