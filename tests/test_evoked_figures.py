from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import distance
from scipy.stats import pearsonr

from emolens.evaluation.expression import card_metrics, judge
from emolens.evaluation.judging import report_on
from emolens.evaluation.page import report_page
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.report import figures
from emolens.evaluation.storing import read_predictions, write_predictions
from emolens.taxonomy import EKMAN6
from fakes_predictions import table


@pytest.fixture
def told() -> Predictions:
    """Sixty pictures, searched by turns for each class; every third has no valence and arousal."""
    chance = np.random.default_rng(3)
    truth = chance.uniform(1, 9, (60, 2)).astype(np.float32)
    truth[::3] = np.nan
    return table(
        taxonomy=EKMAN6, task="evoked", prior=(0.1, 0.1, 0.2, 0.3, 0.2, 0.1), true_values=truth,
        values=chance.uniform(1, 9, (60, 2)).astype(np.float32),
        attributes={"keyword": np.array([EKMAN6.classes[at % 6] for at in range(60)])},
    )  # fmt: skip


def test_what_pictures_evoke_has_figures_of_its_own(told: Predictions) -> None:
    found = {name: one.value for name, one in judge(told).figures.items()}
    pairs = list(zip(told.probabilities.astype(float), told.targets.astype(float), strict=True))
    assert found["canberra"] == pytest.approx(np.mean([distance.canberra(*pair) for pair in pairs]), abs=1e-6)
    assert found["canberra_normalised"] == pytest.approx(found["canberra"] / 6, abs=1e-6)
    assert found["accuracy_keyword"] == pytest.approx(np.mean(told.guess == np.arange(60) % 6))
    known = np.arange(60) % 3 > 0
    assert told.values is not None
    assert told.true_values is not None
    wanted = pearsonr(told.values[known, 1], told.true_values[known, 1]).statistic
    assert found["arousal_pearson"] == pytest.approx(wanted, abs=1e-6)
    assert judge(told).figures["valence_ccc"].n == 40


@pytest.mark.filterwarnings("error")
def test_what_is_not_defined_is_not_written_into_a_card(told: Predictions) -> None:
    constant = replace(told, values=np.full((60, 2), 5, np.float32))
    assert np.isnan(judge(constant).figures["valence_pearson"].value)
    names = {metric.name for metric in card_metrics(judge(constant))}
    assert "valence_ccc" in names
    assert "valence_pearson" not in names


def test_expressions_are_judged_without_them(told: Predictions) -> None:
    assert not {"clark", "valence_ccc"} & set(judge(replace(told, task="expression")).figures)


def test_the_mean_predictor_stands_beside(told: Predictions) -> None:
    model, mean = report_on(told, version="1").judgements
    np.testing.assert_allclose(mean.predictions.probabilities, np.tile(told.prior, (60, 1)), atol=1e-6)
    assert mean.subset == f"{model.subset}, mean predictor"
    wanted = -np.log(np.array(told.prior)[told.truth]).mean()
    assert mean.figures["kl"].value == pytest.approx(wanted, abs=1e-6)
    assert "valence_ccc" not in mean.figures


def test_the_page_speaks_of_pictures_not_of_faces(told: Predictions) -> None:
    report = report_on(told, version="1")
    page = report_page(report, dict.fromkeys(("classes", "confusion", "reliability", "risk_coverage"), ""))
    assert "Apparent expression" not in page
    assert "nothing about the people in the pictures" in page
    assert "valence, concordance (CCC)" in page
    assert figures(report)["subsets"][1]["subset"] == "all, mean predictor"


@pytest.mark.parametrize("name", ["table.parquet", "table.npz"])
def test_a_table_keeps_task_and_values(told: Predictions, name: str, tmp_path: Path) -> None:
    write_predictions(told, tmp_path / name)
    back = read_predictions(tmp_path / name)
    assert back.task == "evoked"
    np.testing.assert_array_equal(back.values, told.values)
    np.testing.assert_array_equal(back.true_values, told.true_values)
