"""From an archive of pictures and maps to a run, to maps, to a file, to figures; and what is no such archive."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.drawn_emotionroi import draw_emotionroi
from emolens.data.given import prepared_folder
from emolens.data.mapped import read_mapped
from emolens.data.prepare import prepare
from emolens.data.prepared import open_prepared
from emolens.errors import DataError, ModelError, OptionError, UnknownName
from emolens.evaluation.map_asking import ask_maps, judge_rows, onnx_maps
from emolens.evaluation.map_pairs import judge_maps
from emolens.evaluation.maps import METRICS
from emolens.learn.config import StimuliRecipe, changed, parse_recipe
from emolens.learn.devices import Place
from emolens.learn.export_stimuli import export_stimuli, map_parity
from emolens.learn.fit import fit
from emolens.learn.folds import fit_folds
from emolens.learn.predict_maps import load_map_net, run_maps
from emolens.learn.recipes import recipe
from emolens.learn.runs import read_checkpoint
from emolens.learn.tasks import start
from emolens.learn.tasks.stimuli import mapped_of
from emolens.models.card import ModelCard
from emolens.taxonomy import EKMAN6

EACH = 8
SMALL = ("net.size=32", "net.backbone=test_efficientnet", "net.weights=none", "net.hidden=8", "optim.epochs=1",
         "optim.batch=8", "optim.warmup_epochs=0", "optim.precision=float32", "data.folds=3")  # fmt: skip
OTHERS = {
    "fcnel_paper": ("net.units=8", "net.size=64"),
    "fcnel_legacy": ("net.backbone=test_resnet",),
    "emofcnel_legacy": ("net.backbone=test_resnet",),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_emotionroi(tmp_path_factory.mktemp("roi") / "drawn", "label", EACH, 48)


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOLENS_HOME", str(tmp_path_factory.mktemp("home")))
        return prepared_folder(archive, "emotionroi")


@pytest.fixture(scope="module")
def run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "emo"
    fit(small("emofcnel"), prepared, folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "emo.onnx"
    export_stimuli(run, prepared, out)
    return out


def small(name: str, *settings: str, legacy: bool = False) -> StimuliRecipe:
    found = changed(recipe(name, legacy), [*SMALL, *OTHERS.get(recipe(name, legacy).name, ()), *settings])
    assert isinstance(found, StimuliRecipe)
    return found


# --- data ---------------------------------------------------------------------------------------------------------


def test_pictures_and_maps_are_stretched_alike(prepared: Path) -> None:
    rows = read_mapped(prepared, "test", 24)
    assert rows.images.shape == (len(rows), 24, 24, 3)
    assert rows.maps.shape == (len(rows), 24, 24)
    for at, record in enumerate(open_prepared(prepared, "test").record(n) for n in range(len(rows))):
        truth = record.open_map()
        assert truth is not None
        assert rows.maps[at].mean() / 255 == pytest.approx(truth.mean(), abs=0.01)
        assert rows.taxonomy.classes[rows.emotion[at]] == record.label


def test_val_is_cut_evenly_from_what_is_no_test(prepared: Path) -> None:
    chosen = small("fcnel")
    parts = [mapped_of(changed(chosen, [f"data.fold={fold}"]), prepared, "val") for fold in range(3)]
    for part in parts:
        counts = np.bincount(part.emotion, minlength=6)
        assert np.ptp(counts) <= 1  # six pictures of each emotion in three folds
    ids = [name for part in parts for name in part.ids.tolist()]
    train = mapped_of(chosen, prepared, "train")
    assert sorted([*train.ids.tolist(), *parts[0].ids.tolist()]) == sorted(ids)
    assert not set(ids) & set(mapped_of(chosen, prepared, "test").ids.tolist())
    own = mapped_of(changed(chosen, ["data.folds=0"]), prepared, "val")
    assert set(own.ids.tolist()) == set(read_mapped(prepared, "val", 8).ids.tolist())


Spoil = Callable[[Path], object]
BAD: dict[str, tuple[Spoil, str]] = {
    "colour": (lambda path: Image.new("RGB", (48, 48), (255, 0, 0)).save(path), "a map in colour"),
    "size": (lambda path: Image.new("L", (20, 20), 9).save(path), "the map has 20 x 20 pixels, its picture 48 x"),
    "zero": (lambda path: Image.new("L", Image.open(path).size, 0).save(path), "the map is all zero"),
    "missing": (lambda path: path.unlink(), "is not there"),
    "text": (lambda path: path.write_text("no picture"), "not a map"),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_bad_map_is_named_and_never_learnt_from(what: str, tmp_path: Path) -> None:
    root = draw_emotionroi(tmp_path / "drawn", "picture", 4, 48)
    spoil, says = BAD[what]
    spoil(root / "ground_truth" / "fear" / "2.jpg")
    with pytest.raises(DataError, match=says) as error:
        prepare("emotionroi", root, tmp_path / "out")
    assert "fear/2.jpg" in str(error.value) or "training.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_set_without_maps_is_named(tmp_path: Path) -> None:
    rows = [("id", "path", "label"), *((f"p{n}", f"p{n}.png", "joy") for n in range(6))]
    for name, *_ in rows[1:]:
        Image.new("RGB", (20, 20)).save(tmp_path / f"{name}.png")
    (tmp_path / "table.csv").write_text("\n".join(",".join(row) for row in rows))
    folder = tmp_path / "out"
    prepare("table", tmp_path / "table.csv", folder)
    with pytest.raises(DataError, match="has no stimuli map; take a set that has them"):
        read_mapped(folder, "train", 16)
    with pytest.raises(DataError, match="make it of the same size"):
        judge_another_size()


def judge_another_size() -> None:
    """A predicted map is never stretched to a truth of another size without a word."""
    from emolens.evaluation.map_pairs import Pair, judge_pairs

    judge_pairs({"a": Pair(lambda: np.ones((4, 4)), lambda: np.ones((1, 4)), ("found", "truth"))})


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fcnel", "fcnel_paper", "fcnel_legacy", "emofcnel_legacy"])
def test_a_recipe_trains_and_says_what_it_is(name: str, prepared: Path, tmp_path: Path) -> None:
    chosen = small(name)
    settings = chosen.model_copy(update={"net": chosen.net.model_copy(update={"weights": "none"})})
    fit(settings, prepared, tmp_path / "run", progress=False)
    learnt = read_checkpoint(tmp_path / "run")
    assert learnt.taxonomy == EKMAN6
    assert parse_recipe((tmp_path / "run" / "recipe.json").read_text()) == settings
    table = next((tmp_path / "run").glob("metrics/*/metrics.csv")).read_text()
    assert {"val_loss", "val_cc", "val_mae", "train_loss"} <= set(table.splitlines()[0].split(","))
    model = run_maps(tmp_path / "run")
    assert model.labels == (EKMAN6.classes if name.startswith("emo") else ("stimuli",))


def test_the_legacy_is_the_sources() -> None:
    for name, condition in (("fcnel", "none"), ("emofcnel", "broadcast")):
        then = recipe(name, legacy=True)
        assert isinstance(then, StimuliRecipe)
        assert then == recipe(f"{name}_legacy")
        assert (then.net.backbone, then.net.zero, then.net.upsample, then.net.condition) == (
            "resnet50", True, "nearest", condition
        )  # fmt: skip
        assert (then.loss.mse, then.optim.lr, then.optim.epochs, then.optim.stop_after) == (1, 1e-2, 100, 0)


def test_a_run_that_was_stopped_ends_as_a_whole_one(prepared: Path, tmp_path: Path) -> None:
    two = small("emofcnel", "optim.epochs=2", "optim.schedule=step", "net.dropout=0.2")
    fit(two, prepared, tmp_path / "whole", progress=False)
    fit(changed(two, ["optim.epochs=1"]), prepared, tmp_path / "parts", progress=False)
    fit(two, prepared, tmp_path / "parts", resume=True, progress=False)
    whole, parts = (load_map_net(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, atol=0, rtol=0)


def test_too_few_pictures_for_the_folds_are_told_by_the_name_of_their_emotion(prepared: Path) -> None:
    wanted = changed(recipe("fcnel"), [*SMALL, "data.folds=50"])
    with pytest.raises(DataError, match=r"class 'anger' has [0-9]+ rows, 50 folds need 50"):
        mapped_of(wanted, prepared, "train")


def test_folds_judge_every_picture_once(prepared: Path, tmp_path: Path) -> None:
    found = {one.name: one for one in fit_folds(small("fcnel"), prepared, tmp_path / "run", 2, progress=False)}
    assert set(found) == {"mae", "cc"}
    assert found["mae"].pooled.n == len(mapped_of(small("fcnel", "data.folds=0"), prepared, "train")) + len(
        mapped_of(small("fcnel", "data.folds=0"), prepared, "val")
    )
    assert len(found["cc"].folds) == 2


def test_settings_that_do_not_fit_together_are_named() -> None:
    for settings, says in (
        (["net.output=linear"], "loss.bce needs net.output=sigmoid"),
        (["loss.bce=0"], "are all 0"),
        (["data.fold=3"], "data.fold is 3"),
        (["net.architecture=fcn32s"], "net.size is 32; fcn32s needs 64"),
        (["net.size=16"], "net.size=16"),
    ):
        with pytest.raises(OptionError, match=says):
            small("fcnel", *settings)
    with pytest.raises(UnknownName, match="Did you mean 'fcnel'"):
        recipe("fcnell")


def test_a_net_that_is_told_the_emotion_needs_one(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_mapped(prepared, "train", 32)
    nameless = replace(rows, emotion=np.where(np.arange(len(rows)) == 3, -1, rows.emotion))
    monkeypatch.setattr("emolens.learn.tasks.stimuli.read_mapped", lambda *_: nameless)
    with pytest.raises(DataError, match="has no emotion, which the net is told"):
        start(small("emofcnel", "data.folds=0"), prepared, Place())
    start(small("fcnel", "data.folds=0"), prepared, Place())


# --- from a run to maps and figures -------------------------------------------------------------------------------


def test_a_file_gives_what_its_run_gives(run: Path, exported: Path, prepared: Path) -> None:
    card = ModelCard.read(exported.with_suffix(".json"))
    assert (card.task, card.labels, card.picture, card.size) == ("stimuli", EKMAN6.classes, "stretched", 32)
    assert card.parity is not None
    assert card.parity.max_difference < 1e-4
    session = onnxruntime.InferenceSession(str(exported))
    assert [one.name for one in session.get_inputs()] == ["images"]
    assert [one.name for one in session.get_outputs()] == ["map"]
    rows = open_prepared(prepared, "test")
    by_file, by_run = ask_maps(onnx_maps(exported), rows), ask_maps(run_maps(run), rows)
    assert by_file.shape == (len(rows), 32, 32)
    np.testing.assert_allclose(by_file, by_run, atol=1e-4)
    own = run_maps(run).every(rows.pixels(size=32)[:1])[0]
    label = rows.column("label")[0]
    np.testing.assert_allclose(by_run[0], own[EKMAN6.index(label)], atol=1e-6)


def test_a_file_that_differs_from_its_net_is_refused() -> None:
    maps = np.random.default_rng(0).random((4, 2, 8, 8)).astype(np.float32)
    assert map_parity(maps, maps).top1_agreement == 1
    with pytest.raises(ModelError, match=r"differs from the net by 1\.0e-03"):
        map_parity(maps + np.float32(1e-3), maps)


def test_rows_are_judged_at_the_size_of_their_pictures(prepared: Path) -> None:
    """The truth itself, through the net's square and back, is nearly perfect; the baselines are not."""
    rows = open_prepared(prepared, "test")
    truth = read_mapped(prepared, "test", 96).maps.astype(np.float32) / 255
    judged = judge_rows(truth, rows)
    assert set(judged.figures) == {"map", "centre", "mean"}
    assert judged.figures["map"]["cc"].min() > 0.98
    assert judged.figures["map"]["mae"].mean() < 0.1 * judged.figures["centre"]["mae"].mean()
    assert judged.summary()["map"]["cc"].n == len(rows)


def test_the_commands_go_from_maps_to_figures(run: Path, exported: Path, prepared: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    asked = ["--data", str(prepared), "--split", "test"]
    found = runner.invoke(app, ["predict", str(run), *asked, "--out", str(tmp_path / "maps")])
    assert found.exit_code == 0, found.output
    rows = list(csv.DictReader((tmp_path / "maps" / "rows.csv").open()))
    test = open_prepared(prepared, "test")
    assert [row["picture"] for row in rows] == test.column("id")
    for row in rows:
        with Image.open(tmp_path / "maps" / f"{row['picture']}.png") as picture:
            assert picture.mode.startswith("I")
        assert 0 <= float(row["centre_x"]) <= 1
    found = runner.invoke(app, ["evaluate", str(exported), *asked, "--out", str(tmp_path / "report")])
    assert found.exit_code == 0, found.output
    assert "centre prior" in found.output
    figures = json.loads((tmp_path / "report" / "figures.json").read_text())
    assert set(figures["figures"]["map"]) == set(METRICS)
    assert figures["n"] == len(test)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "95 %" in page
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "index.html", "figures.json", "rows.csv", "examples.png"
    }  # fmt: skip
    truth = tmp_path / "truth"
    for at, name in enumerate(test.column("id")):
        weights = test.record(at).open_map()
        assert weights is not None
        (truth / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(truth / f"{name}.npy", weights)
    by_files = judge_maps(tmp_path / "maps", truth).summary()["map"]["cc"].value
    assert by_files == pytest.approx(figures["figures"]["map"]["cc"]["value"], abs=1e-3)


def test_what_map_models_do_not_do_is_refused(run: Path, exported: Path, prepared: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for command, says in (
        (["evaluate", str(run), "--data", str(prepared), "--by", "gender"], "--by is not for models of stimuli maps"),
        (["evaluate", str(exported)], "give --data DIR"),
        (["predict", str(run), "--data", str(prepared), "--out", str(tmp_path / "a.parquet")], "maps go into a folder"),
        (["predict", str(run), "--data", str(prepared), "--out", str(run)], "holds something already"),
        (["export", str(run), str(run), "--data", str(prepared), "--out", str(tmp_path / "a.onnx")], "give one"),
    ):
        found = runner.invoke(app, command)
        assert found.exit_code != 0
        assert says in " ".join(found.output.split()), found.output
    assert not list(tmp_path.iterdir())
