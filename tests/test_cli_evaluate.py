"""From labelled pictures to figures, through the doors that a user takes."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from emolens.cli import app
from emolens.cli.destinations import report_place
from emolens.cli.evaluate import _cut_otherwise
from emolens.evaluation.asking import ask_model
from emolens.evaluation.rows import open_rows, views
from emolens.evaluation.storing import read_predictions, write_predictions
from emolens.models.card import ModelCard
from expression_sets import write_rafdb
from fakes import linear_card, linear_model
from fakes_predictions import table
from ferplus import write_ferplus


def emolens(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return answer.exit_code, answer.output


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("ferplus"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_model(tmp_path_factory.mktemp("model") / "linear.onnx", linear_card(prior=(0.3, *(0.1,) * 7)))


@pytest.fixture(scope="module")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("lightning")
    run = tmp_path_factory.mktemp("runs") / "quick"
    quick = ["net.widths=[8,8]", "optim.epochs=2", "optim.batch=16", "optim.precision=float32"]
    settings = [part for setting in quick for part in ("--set", setting)]
    code, said = emolens("train", "expression_ferplus", "--data", archive, "--out", run, *settings, "--threads", 1)
    assert code == 0, said
    return run


def test_a_table_of_two_splits_is_written_and_judged_alone(archive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    code, said = emolens("predict", model, "--data", archive, "--split", "val,test", "--out", out)
    assert code == 0, said
    assert "32 rows of val,test" in said
    found = read_predictions(out)
    assert [len(found.split(name)) for name in ("val", "test")] == [16, 16]
    code, said = emolens("evaluate", out, "--split", "test", "--out", tmp_path / "report")
    assert code == 0, said
    (subset,) = json.loads((tmp_path / "report" / "figures.json").read_text())["subsets"]
    test = found.split("test")
    assert subset["figures"]["accuracy"]["value"] == pytest.approx((test.truth == test.guess).mean())


def test_a_run_is_judged_with_its_curves_features_and_gaze(
    archive: Path, model: Path, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    code, said = emolens("evaluate", run, "--data", archive, "--cam", 3, "--against", model, "--out", out)
    assert code == 0, said
    assert "minus linear" in said
    plots = {path.stem for path in (out / "plots").iterdir()}
    assert {"training", "embedding", "confusion"} <= plots
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count('alt="where the net looked"') == 3
    rows = read_predictions(out / "predictions.parquet")
    assert rows.features is not None
    assert rows.model == "quick/last"
    np.testing.assert_allclose(rows.probabilities.sum(axis=1), 1, atol=1e-5)


def test_rows_are_looked_at_by_their_ids(archive: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    code, said = emolens("evaluate", run, "--data", archive, "--cam", "fer2013-00070, fer2013-00066", "--out", out)
    assert code == 0, said
    page = (out / "index.html").read_text(encoding="utf-8")
    looked = page[page.index("Where the net looked") :]
    assert re.findall("<code>(.*?)</code>", looked) == ["fer2013-00070", "fer2013-00066"]
    assert looked.count('alt="where the net looked"') == 2
    code, said = emolens("evaluate", run, "--data", archive, "--cam", "fer2013-00066,fer2013-0070,x", "--out", out)
    assert code == 2
    assert "FER+ val, argmax has no row 'fer2013-0070' (did you mean 'fer2013-00070'?), 'x';" in said
    assert len(said.strip().splitlines()) == 1
    for wrong in ("-3", ",", ""):
        code, said = emolens("evaluate", run, "--data", archive, "--cam", wrong)
        assert (code, f"--cam is '{wrong}', needs a number of pictures, or ids" in said) == (2, True)


def test_a_run_and_its_table_have_the_same_figures(archive: Path, run: Path, tmp_path: Path) -> None:
    code, said = emolens("predict", run, "--data", archive, "--split", "val", "--out", tmp_path / "t.npz")
    assert code == 0, said
    for name, target in (("a", run), ("b", tmp_path / "t.npz")):
        code, said = emolens("evaluate", target, "--data", archive, "--out", tmp_path / name)
        assert code == 0, said
    found = [json.loads((tmp_path / name / "figures.json").read_text())["subsets"] for name in ("a", "b")]
    assert found[0] == found[1]


def test_a_table_is_held_to_the_labels_of_the_data(archive: Path, model: Path, tmp_path: Path) -> None:
    code, said = emolens("predict", model, "--data", archive, "--out", tmp_path / "t.npz")
    assert code == 0, said
    rows = read_predictions(tmp_path / "t.npz")
    write_predictions(replace(rows, ids=rows.ids[::-1].copy()), tmp_path / "turned.npz")
    code, said = emolens("evaluate", tmp_path / "turned.npz", "--data", archive, "--no-report")
    assert code == 2
    assert re.search(r"linear does not align with FER\+ val: row \d+ \(fer2013-\d+\) has label \w+ there and", said)
    other = write_rafdb(tmp_path / "raf")
    code, said = emolens("evaluate", tmp_path / "t.npz", "--data", other, "--dataset", "rafdb", "--no-report")
    assert code == 2
    assert "16 of 16 are not there" in said


def test_votes_of_either_subset_and_of_four_digits_are_those_of_the_data(archive: Path, model: Path) -> None:
    rows = open_rows(archive, "val")
    said = ask_model(model, rows)
    for found in views(said, rows):
        assert len(views(found, rows)) == 2
    rounded = replace(said, targets=np.round(said.targets, 4))
    assert [len(one) for one in views(rounded, rows)] == [len(one) for one in views(said, rows)]


def test_figures_of_other_rows_stay_in_the_card(archive: Path, model: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(model, tmp_path / "mine.onnx"))
    shutil.copy(model.with_suffix(".json"), mine.with_suffix(".json"))
    found = []
    for split in ("test", "val", "val"):
        code, said = emolens("evaluate", mine, "--data", archive, "--split", split, "--record", "--no-report")
        assert code == 0, said
        found.append(ModelCard.read(mine.with_suffix(".json")).metrics)
    assert set(found[0]) < set(found[1]) == set(found[2])
    assert {"FER+ test, argmax", "FER+ val, argmax"} <= {one.subset for one in found[1]}
    assert len(found[1]) == len(found[2])


def test_a_report_without_a_place_is_named_after_all_that_makes_it(
    archive: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = set()
    for name in ("lr0.05", "lr0.1", "a/fold-0", "b/fold-0"):
        shutil.copytree(run, tmp_path / "runs" / name)
        places.add(report_place(f"runs/{name}", "FER+", "val"))
    assert sorted(map(str, places)) == [
        f"reports/{name}-ferplus-val" for name in ("a-fold-0", "b-fold-0", "lr0.05", "lr0.1")
    ]
    code, said = emolens("evaluate", "runs/lr0.1", "--data", archive, "--best", "--prior", "uniform:0.2")
    assert code == 0, said
    assert (tmp_path / "reports" / "lr0.1-ferplus-val-best-prior-uniform-0.2" / "index.html").is_file()


def test_what_a_model_learnt_from_is_said(archive: Path, model: Path, run: Path) -> None:
    _, said = emolens("evaluate", model, "--data", archive, "--no-report")
    assert "The model learnt from: none. Rows among these flatter it." in said
    for split, seen in (("val", False), ("train", True)):
        _, said = emolens("evaluate", run, "--data", archive, "--split", split, "--no-report")
        assert ("The run learnt from train of ferplus itself" in said) is seen
        assert "A run's confidences are not calibrated" in said
    _, said = emolens("evaluate", run, "--data", archive, "--against", model, "--no-report")
    assert "The model learnt from: none. Rows among these flatter it. (Said of linear.)" in said


def test_the_data_is_read_as_the_set_that_the_card_names(model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(model, tmp_path / "other.onnx"))
    card = ModelCard.read(model.with_suffix(".json"))
    card.model_copy(update={"dataset": "rafdb"}).write(other.with_suffix(".json"))
    code, said = emolens("evaluate", other, "--data", write_rafdb(tmp_path / "raf"), "--split", "test", "--no-report")
    assert code == 0, said
    assert "RAF-DB" in said


def test_rows_that_were_cut_otherwise_may_have_been_learnt_from() -> None:
    learnt = {"classes": "7", "published_val": "val"}
    for there, told in (({"classes": 7}, False), ({"classes": "7", "published_val": "test"}, True)):
        rows: Any = SimpleNamespace(options=there)
        said = _cut_otherwise("affectnet", learnt, rows)
        assert bool(said) is told
        assert not told or "affectnet read with published_val=val: rows of its train may be among these" in said[0]
    assert _cut_otherwise("ferplus", {}, SimpleNamespace(options={"subset": "majority"})) == []  # type: ignore[arg-type]


def test_a_run_of_one_fold_learnt_from_the_val_of_the_set(archive: Path, run: Path, tmp_path: Path) -> None:
    fold = shutil.copytree(run, tmp_path / "fold-0")
    recipe = json.loads((fold / "recipe.json").read_text(encoding="utf-8"))
    recipe["data"] |= {"folds": 5, "fold": 0}
    (fold / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    _, said = emolens("evaluate", fold, "--data", archive, "--split", "val", "--no-report")
    assert "The run learnt from val of ferplus itself" in said


def test_a_prior_is_said_and_never_recorded(archive: Path, model: Path, run: Path, tmp_path: Path) -> None:
    for target in (model, run):
        code, said = emolens("evaluate", target, "--data", archive, "--prior", "uniform", "--no-report")
        assert code == 0, said
        assert "prior uniform" in said
        assert "Re-weighted by --prior uniform" in said
    code, said = emolens("evaluate", model, "--data", archive, "--prior", "uniform", "--record")
    assert code == 2
    assert "--record is for an ONNX model as it is" in said
    assert ModelCard.read(model.with_suffix(".json")).metrics == ()


def test_a_prior_says_that_the_other_model_is_left_as_it_is(archive: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    asked = ("evaluate", model, "--data", archive, "--against", model, "--out", out)
    told = "--prior re-weights the first model alone: linear is compared as it was."
    for more, said_so in (((), False), (("--prior", "uniform"), True)):
        code, said = emolens(*asked, *more)
        assert code == 0, said
        assert (told in said) is said_so
        assert (told in (out / "index.html").read_text(encoding="utf-8")) is said_so


def test_a_model_without_framing_is_told_the_option_by_its_name(tmp_path: Path) -> None:
    bare = linear_model(tmp_path / "bare.onnx", linear_card(framing=None))
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(tmp_path / "a.png")
    code, said = emolens("analyze", tmp_path / "a.png", "--model", bare, "--task", "expression")
    assert code == 2
    assert "its card has no face framing" in said
    assert "give it pictures that are faces already (--whole-image" in said
    code, said = emolens("analyze", tmp_path / "a.png", "--model", bare, "--task", "expression", "--whole-image")
    assert code == 0, said


def test_analyze_estimates_a_population_and_says_so(model: Path, tmp_path: Path) -> None:
    for at in range(25):
        pixels = np.random.default_rng(at).integers(0, 255, (48, 48), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{at:02d}.png")
    asked = ("analyze", tmp_path, "--whole-image", "--model", model, "--task", "expression")
    code, said = emolens(*asked, "--prior", "data", "--csv", tmp_path / "rows.csv")
    assert code == 0, said
    assert "--prior data, from 25 faces: neutral" in said
    rows = [*csv.DictReader((tmp_path / "rows.csv").open(encoding="utf-8", newline=""))]
    assert {row["model"] for row in rows} == {"linear, prior data"}
    few = ("analyze", tmp_path / "00.png", *asked[2:], "--prior", "data")
    for arguments, says in (
        (few, "has 1 faces to learn from, needs 20"),
        (("analyze", "-", *few[2:]), "looks at every"),
    ):
        code, said = emolens(*arguments)
        assert code == 2
        assert says in said


def test_ensembles_stand_side_by_side_and_are_written(tmp_path: Path) -> None:
    files = []
    for seed in range(3):
        write_predictions(table(200, seed=seed), tmp_path / f"{seed}.npz")
        files.append(tmp_path / f"{seed}.npz")
    code, said = emolens("ensemble", *files, "--choose-on", "val", "--report", "test", "--out", tmp_path / "out")
    assert code == 0, said
    for name in ("model0", "mean", "simplex", "nll", "stacking", "Judged on test (n = 100)"):
        assert name in " ".join(said.split())  # notes break at the width of the terminal
    content = json.loads((tmp_path / "out" / "weights.json").read_text())
    assert content["members"] == ["model0", "model1", "model2"]
    assert sum(content["methods"]["simplex"]["weights"]) == pytest.approx(1)
    mixed = read_predictions(tmp_path / "out" / "mean.parquet")
    wanted = np.mean([table(200, seed=seed).probabilities for seed in range(3)], axis=0)
    np.testing.assert_allclose(mixed.probabilities, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("evaluate", "nowhere.onnx"), "no such model file, run folder or predictions table"),
        (("evaluate", "MODEL"), "must be asked about pictures: give --data DIR"),
        (("evaluate", "MODEL", "--data", "ARCHIVE", "--by", "gender"), "unknown attribute of FER+ 'gender'"),
        (("evaluate", "MODEL", "--prior", "no.json"), "--prior is 'no.json'; needs data, uniform"),
        (("evaluate", "MODEL", "--data", "ARCHIVE", "--cam", "3"), "--cam needs the net itself: give a run folder"),
        (("evaluate", "TABLE"), "unknown split of model0 'val'. Known: test"),
        (("evaluate", "TABLE", "--split", "test", "--against", "OTHER"), "has 30 rows, model0 has 10"),
        (("evaluate", "TABLE", "--split", "test", "--classes", "ekman"), "--classes is for a model or run"),
        (("evaluate", "TABLE", "--split", "test", "--best"), "--best is for a model or run"),
        (
            ("evaluate", "TABLE", "--split", "test", "--dataset", "rafdb"),
            "--dataset names what --data is an archive",
        ),
        (("evaluate", "TABLE", "--split", "test", "--prior", ""), "--prior is ''; needs data, uniform"),
        (("evaluate", "TABLE", "--split", "test", "--prior", "uniform"), "or the table of a run; give the run"),
        (("predict", "MODEL", "--data", "ARCHIVE", "--out", "t.csv"), "ends in .parquet or .npz"),
        (("ensemble", "TABLE", "OTHER", "--choose-on", "val"), "unknown split of model0 'val'"),
        (("ensemble", "TABLE", "--weights", "a,b"), "--weights is 'a,b', needs numbers"),
        (("ensemble", "TABLE", "--of", "votes"), "unknown thing to combine 'votes'"),
    ],
)
def test_wrong_wishes_get_one_line(
    arguments: tuple[str, ...], says: str, archive: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_predictions(table().split("test").keep(np.arange(10)), tmp_path / "table.npz")
    write_predictions(table(seed=1), tmp_path / "other.npz")
    places = {"MODEL": model, "ARCHIVE": archive, "TABLE": tmp_path / "table.npz", "OTHER": tmp_path / "other.npz"}
    code, said = emolens(*(places.get(argument, argument) for argument in arguments))
    assert code == 2
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.npz", "table.npz"]
