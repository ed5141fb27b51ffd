from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.errors import DataError
from emolens.evaluation.group_study import examined, figures, hybrid_members, run
from emolens.evaluation.group_study_page import claims, page
from emolens.evaluation.simplex import kept_by_floats, right_on
from emolens.evaluation.storing import read_predictions
from fakes_predictions import table


def test_float_equality_loses_combinations_of_two_and_five() -> None:
    # Two weights below 1 in steps of .05: (.05, .95) to (.95, .05) are 19, and every such pair adds up exactly.
    assert kept_by_floats(2)[1] == 19
    kept, there = kept_by_floats(5)
    assert (kept, there, there - kept) == (9108, 10_621, 1513)


def test_a_point_is_right_where_its_mixture_is() -> None:
    members = np.array([[[1.0, 0], [1, 0]], [[0, 0.9], [0, 0.9]]])  # the first says 0 of both rows, the second 1
    right = right_on(np.array([[20, 0], [10, 10], [0, 20]]), members, np.array([0, 1]))
    assert right.tolist() == [[True, False], [True, False], [False, True]]


def test_figures_by_hand() -> None:
    rows = table(n=4)
    wanted = np.array([[0, 0], [0, 1], [1, 1], [2, 2]])
    said = replace(
        rows,
        targets=np.eye(3, dtype=np.float32)[wanted[:, 0]],
        probabilities=np.eye(3, dtype=np.float32)[wanted[:, 1]],
    )
    found = figures(said)
    assert found["accuracy"]["value"] == 0.75
    assert found["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert found["confusion_percent"] == [[50, 50, 0], [0, 100, 0], [0, 0, 100]]
    assert found["macro_f1"]["value"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Small outputs in the form of the source: five members of which the last is best, and a shuffled model 0."""
    chance = np.random.default_rng(0)
    (tmp_path / "hybrid").mkdir()
    truth = {split: chance.integers(0, 3, n) for split, n in (("train", 60), ("valid", 90), ("test", 80))}
    for name in ("0", "1", "2", "3", "4_1", "5"):
        number = name.partition("_")[0]
        arrays = {}
        for split, labels in truth.items():
            rows = chance.permutation(len(labels)) if name == "0" else np.arange(len(labels))
            noise = chance.normal(0, 2.5 - 0.4 * int(number), (len(labels), 3))
            arrays[f"output_{split}_model{number}"] = (np.eye(3)[labels[rows]] * 2 + noise).astype(np.float32)
            arrays[f"label_{split}"] = labels[rows]
        np.savez(tmp_path / "hybrid" / f"model{name}_output_data.npz", **arrays)
    return tmp_path


def test_small_outputs_become_figures_and_a_page(outputs: Path, tmp_path: Path) -> None:
    told: list[str] = []
    written = run(outputs, tmp_path / "out", told.append)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written.read_text().startswith("<!doctype html>")
    assert found["rows"] == {"train": 60, "val": 90, "test": 80}
    assert "forerunner" not in found  # its file is not here, and the rest is answered all the same
    ways = {(one["method"], one["space"]) for one in found["ways"]}
    assert ways == {("given", "logits"), ("mean", "logits"), ("simplex", "logits"), ("mean", "probabilities"),
                    ("simplex", "probabilities"), ("nll", "probabilities"), ("stacking", "probabilities")}  # fmt: skip
    assert found["shuffled"]["refused"].startswith("model0 does not align with model1")
    assert found["choice"]["halves"]["gain"] > 0  # what is chosen on a half is flattered there
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "results.json"]


def test_rows_get_the_names_of_a_list_whose_labels_are_theirs(outputs: Path) -> None:
    path = outputs / "hybrid" / "model1_output_data.npz"
    labels = np.load(path)["label_valid"]
    names = [f"{('neg', 'neu', 'pos')[label]}_{at}.jpg" for at, label in enumerate(labels)]
    (path.parent / "val_list.txt").write_text("\n".join(names))
    ids = read_predictions(path).split("val").ids
    assert [Path(one).name for one in ids] == names
    assert ids[0].split("/")[:2] == ["val", {"neg": "Negative", "neu": "Neutral", "pos": "Positive"}[names[0][:3]]]
    shuffled = read_predictions(path.with_name("model0_output_data.npz")).split("val").ids
    assert shuffled[0] == "valid-00000"  # the list is not of these rows
    assert read_predictions(path).split("test").ids[0] == "test-00000"  # no list of theirs is there


def test_outputs_that_are_missing_or_of_other_rows_are_refused(outputs: Path) -> None:
    broken = outputs / "hybrid" / "model3_output_data.npz"
    with np.load(broken) as file:
        arrays = {name: file[name][:-1] if "valid" in name else file[name] for name in file.files}
    np.savez(broken, **arrays)
    with pytest.raises(DataError, match=r"model3 has 229 rows, model1 has 230"):
        hybrid_members(outputs)
    broken.unlink()
    with pytest.raises(DataError, match=r"model3_output_data\.npz: not there"):
        hybrid_members(outputs)


def test_the_command_needs_no_torch(outputs: Path, tmp_path: Path) -> None:
    arguments = ["study", "group_ensemble", "--data", str(outputs), "--out", str(tmp_path / "out")]
    code = (
        "import sys\nfrom emolens.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit as left: assert left.code in (0, None), left.code\n"
        "assert 'torch' not in sys.modules and 'emolens.learn' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "index.html" in ran.stdout


def test_a_near_miss_of_the_name_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    ran = CliRunner().invoke(app, ["study", "group_ensembel", "--data", str(tmp_path), "--out", str(tmp_path)])
    assert ran.exit_code != 0
    assert "Did you mean 'group_ensemble'?" in " ".join(ran.output.split())


@pytest.fixture(scope="module")
def real(shared_data: Path) -> dict[str, Any]:
    folder = shared_data / "group_outputs"
    if not (folder / "hybrid").is_dir():
        pytest.skip("the outputs of the old group systems are not here")
    found = examined(folder)
    return found


def _value(one: dict[str, Any], digits: int = 4) -> float:
    return round(one["accuracy"]["value"], digits)


def test_the_published_weights_give_the_published_figures(real: dict[str, Any]) -> None:
    given = real["published"]
    assert [_value(given[split]) for split in ("train", "val", "test")] == [0.8902, 0.7791, 0.796]
    assert given["test"]["confusion"] == [[199, 58, 21], [43, 246, 29], [14, 39, 351]]
    assert given["val"]["confusion"] == [[659, 210, 84], [157, 790, 101], [53, 133, 1154]]
    low, high = (given["test"]["accuracy"][name] for name in ("low", "high"))
    assert (round(low, 2), round(high, 2)) == (0.77, 0.82)


def test_weights_chosen_on_val_give_less_and_the_page_claims_no_more(real: dict[str, Any]) -> None:
    chosen = next(one for one in real["ways"] if (one["method"], one["space"]) == ("simplex", "logits"))
    assert chosen["weights"] == [0.2, 0.25, 0.05, 0.1, 0.4] or chosen["weights"] == (0.2, 0.25, 0.05, 0.1, 0.4)
    assert (_value(chosen["val"]), _value(chosen["test"])) == (0.7845, 0.782)
    first, second = real["comparisons"][:2]
    assert (first["gained"], first["lost"], round(first["p_value"], 3)) == (31, 17, 0.059)
    assert (second["gained"], second["lost"]) == (67, 34)
    said = " ".join(claims(real))
    assert "31 against 17 (McNemar p = 0.059). That does not show that either is better" in said
    assert "significant" not in page(real)


def test_the_published_weights_are_the_best_on_eval_itself(real: dict[str, Any]) -> None:
    choice = real["choice"]
    assert choice["points"] == 10_626
    assert choice["best_on_test"] == pytest.approx(0.796)
    assert choice["best_on_test_weights"] == [[0.3, 0, 0, 0.2, 0.5]]
    assert [round(choice["top_of_val"][name], 3) for name in ("mean", "low", "high")] == [0.781, 0.771, 0.789]
    assert real["floats"] == {"kept": 9108, "there": 10_621}


def test_model_0_is_refused_for_its_labels(real: dict[str, Any]) -> None:
    assert real["shuffled"]["labels_that_differ"] == {"train": 6395, "val": 2151, "test": 659}
    assert real["shuffled"]["refused"].startswith("model0 does not align with model1")


def test_the_forerunners_published_combinations_are_reproduced(real: dict[str, Any]) -> None:
    found = real["forerunner"]
    ways = {one["method"]: one for one in found["ways"]}
    for name in ("hand-picked weights", "linear SVM"):
        rerun = [round(ways[name][split]["value"], 4) for split in ("train", "val", "test")]
        assert rerun == pytest.approx(ways[name]["published"], abs=1e-4)
    assert [round(ways["mean"][split]["value"], 3) for split in ("train", "val", "test")] == [0.962, 0.769, 0.786]
    first = [round(found["members"][0][split]["value"], 3) for split in ("train", "val", "test")]
    assert first == [0.742, 0.695, 0.708]
