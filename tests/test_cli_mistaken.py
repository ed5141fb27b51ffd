"""What is given as a model or table and is none: one line that says what it is and what to give."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.evaluation.storing import write_predictions
from fakes import linear_model
from fakes_predictions import table


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a user has: runs, a report, a model, a table."""
    run = ("recipe.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "metrics/version_0/metrics.csv")
    report = [f"report/{name}" for name in ("figures.json", "index.html", "predictions.parquet")]
    others = ("runs/two/recipe.json", "alone/last.ckpt", "empty/notes.txt")
    for name in (*(f"runs/one/{name}" for name in run), *report, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    linear_model(tmp_path / "model.onnx")
    write_predictions(table(), tmp_path / "table.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*arguments: str) -> str:
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 2
    assert len(answer.output.strip().splitlines()) == 1
    return answer.output


@pytest.mark.parametrize(
    ("given", "what", "instead"),
    [
        ("runs/one/checkpoints", "a folder inside a run", "give the run folder itself, runs/one\n"),
        ("runs/one/checkpoints/last.ckpt", "a checkpoint of a run", "give the run folder itself, runs/one\n"),
        ("runs/one/checkpoints/best.ckpt", "a checkpoint of a run", "give the run folder itself, runs/one --best"),
        ("runs/one/metrics/version_0/metrics.csv", "a file inside a run", "give the run folder itself, runs/one\n"),
        ("alone/last.ckpt", "a checkpoint without its recipe.json", "give the whole run folder"),
        ("runs", "a folder of runs", "give one of these 2, as runs/one"),
        (".", "a folder of models", "give one of these 1, as model.onnx"),
        ("empty", "a folder without recipe.json", "give a run folder that 'emolens train --out' wrote"),
        ("report", "a report", "give the model that it is of"),
        ("report/index.html", "a part of a report", "give the model that it is of"),
        ("model.json", "the card of a model", "give model.onnx"),
    ],
)
def test_what_is_no_model_is_told_apart(given: str, what: str, instead: str, here: Path) -> None:
    for line in (said("predict", given, "--data", "d", "--out", "t.npz"), said("evaluate", given, "--data", "d")):
        assert f"{given}: {what}, no ONNX model" in line
        assert instead.strip() in line
        assert ("--best" in line) is ("--best" in instead)
    assert what in said("evaluate", "model.onnx", "--data", "d", "--against", given)


def test_a_report_is_judged_by_its_rows_and_a_table_is_not_asked_again(here: Path) -> None:
    assert "or its rows, report/predictions.parquet" in said("evaluate", "report/index.html")
    assert "a predictions table holds answers already" in said("predict", "table.npz", "--data", "d", "--out", "t.npz")


@pytest.mark.parametrize(
    ("given", "what", "model", "name"),
    [
        ("runs/one", "a run folder", "runs/one", "one.parquet"),
        ("runs/one/checkpoints", "a folder inside a run", "runs/one", "one.parquet"),
        ("runs/one/checkpoints/best.ckpt", "a checkpoint of a run", "runs/one --best", "one.parquet"),
        ("model.onnx", "an ONNX model", "model.onnx", "model.parquet"),
        ("report", "a report", "MODEL", "TABLE.parquet"),
    ],
)
def test_tables_are_combined_and_the_line_says_how_to_get_one(
    given: str, what: str, model: str, name: str, here: Path
) -> None:
    line = said("ensemble", "table.npz", given, "--choose-on", "train", "--report", "val")
    assert f"{given}: {what}, and ensemble combines predictions tables; write one:" in line
    assert f"emolens predict {model} --data DIR --split train,val --out {name}\n" in line


def test_from_inside_a_run_the_run_is_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "runs" / "one" / "checkpoints")
    assert f"give the run folder itself, {here / 'runs' / 'one'}" in said("evaluate", "last.ckpt")
