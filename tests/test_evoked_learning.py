from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from emolens.data.given import prepared_folder
from emolens.data.pictures import read_pictures, whole_set
from emolens.data.registry import reader
from emolens.data.splits import emotion6_folds
from emolens.errors import DataError, LabelError, ModelError, OptionError, UnknownName
from emolens.evaluation.asking import ask_model
from emolens.evaluation.judging import report_on
from emolens.evaluation.rows import open_rows
from emolens.learn.cam import run_cams
from emolens.learn.config import EvokedRecipe, changed, parse_recipe
from emolens.learn.devices import Place
from emolens.learn.export_evoked import agreement, export_evoked
from emolens.learn.fit import fit
from emolens.learn.folds import fit_folds
from emolens.learn.predict import predict_run
from emolens.learn.recipes import recipe
from emolens.learn.runs import read_checkpoint
from emolens.learn.tasks import start
from emolens.learn.tasks.evoked import pictures_of
from emolens.models.classifier import Classifier
from emolens.taxonomy import EKMAN6, EMOTION6, MIKELS8
from fakes_data import HEADER6, draw_all, write_rows

SMALL = ["net.backbone=test_efficientnet", "net.weights=none", "net.size=32", "net.drop_path=0", "optim.epochs=1",
         "optim.batch=8", "optim.warmup_epochs=0", "optim.precision=float32"]  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of Emotion6's first two folds by name; the last makes everybody feel nothing."""
    root = tmp_path_factory.mktemp("emotion6")
    names = [name for fold in emotion6_folds()[:2] for name in fold[::20]]
    chance = np.random.default_rng(0)
    rows = [(f"{name}.jpg", 2 + i % 5, 3.5, *chance.dirichlet(np.ones(7))) for i, name in enumerate(names)]
    rows[-1] = (rows[-1][0], 5, 5, 0, 0, 0, 0, 0, 0, 1)
    write_rows(root / "ground_truth.txt", (HEADER6, *rows), delimiter="\t")
    draw_all(root / "images", [str(row[0]) for row in rows])
    return root


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOLENS_HOME", str(tmp_path_factory.mktemp("home")))
        return prepared_folder(archive, "emotion6")


def small(name: str, *settings: str) -> EvokedRecipe:
    found = changed(recipe(name), [*SMALL, *settings])
    assert isinstance(found, EvokedRecipe)
    return found


def test_a_fold_of_emotion6_is_the_test_part_and_the_rest_is_learnt_from(archive: Path) -> None:
    splits = {record.id: record.split for record in reader("emotion6").read(archive, fold=2)}
    held_out = set(emotion6_folds()[1])
    assert {name for name, split in splits.items() if split == "test"} == held_out & set(splits)
    assert {split for name, split in splits.items() if name not in held_out} == {"train"}
    assert {record.split for record in reader("emotion6").read(archive)} == {"train"}


def test_pictures_come_with_distribution_values_and_keyword(prepared: Path) -> None:
    train = read_pictures(prepared, "train", 16)
    assert train.images.shape == (len(train), 16, 16, 3)
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, rtol=1e-5)
    assert train.values.min() >= 1
    keywords = [EMOTION6.classes[at] for at in train.keyword]
    folders = [name.split("/")[0].replace("joy", "happiness") for name in train.ids]
    assert keywords == folders


def test_six_classes_drop_neutral_and_count_what_went(prepared: Path) -> None:
    seven = whole_set(prepared, 8)
    six = seven.expressed_in(EKMAN6)
    assert six.emptied == 1
    assert len(six) == len(seven) - 1
    np.testing.assert_allclose(six.targets.sum(axis=1), 1, rtol=1e-5)
    left = seven.keep(np.isin(seven.ids, six.ids))
    assert six.dropped == pytest.approx(left.targets[:, 6].mean(), rel=1e-4)
    with pytest.raises(LabelError, match="ekman6 has no neutral"):
        six.expressed_in(EMOTION6)


@pytest.mark.parametrize(("name", "classes"), [("evoked_emotion6", 7), ("ew_mtcnn_lite0", 6)])
def test_a_recipe_trains_and_its_checkpoint_names_its_classes(
    name: str, classes: int, prepared: Path, tmp_path: Path
) -> None:
    chosen = small(name, "net.stages=2")
    fit(chosen, prepared, tmp_path / "run", progress=False)
    learnt = read_checkpoint(tmp_path / "run")
    assert learnt.taxonomy.classes == EMOTION6.classes[:classes]
    assert learnt.weights["head.classes.weight"].shape[0] == classes
    assert parse_recipe((tmp_path / "run" / "recipe.json").read_text()) == chosen
    table = next((tmp_path / "run").glob("metrics/*/metrics.csv")).read_text()
    assert "val_kl" in table


def test_a_trained_wheel_reaches_the_optimiser_and_a_frozen_one_does_not(prepared: Path) -> None:
    for how, moved in (("trained", True), ("frozen", False)):
        begun = start(small("ew_mtcnn_lite0", f"net.prior={how}", "net.taps=[]"), prepared, Place())
        task = begun.task
        loss = task.loss(next(iter(begun.train)))
        loss.backward()
        gradient = task.net.head.prior.weight.grad
        assert (gradient is not None and bool(gradient.any())) is moved
        assert torch.isfinite(loss)


def test_every_part_of_the_loss_can_be_asked_for(prepared: Path) -> None:
    begun = start(
        small("evoked_emotion6", "loss.emd=0.1", "loss.label=0.3", "loss.smoothing=0.2", 'net.taps=["blocks.1"]'),
        prepared,
        Place(),
    )
    begun.task.loss(next(iter(begun.train))).backward()
    assert all(p.grad is not None for p in begun.task.net.head.parameters())


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        (("net.init=wheel",), UnknownName, "unknown initialisation of the wheel layer 'wheel'"),
        (("net.backbone=efficientnet_lite99",), UnknownName, "Did you mean"),
        (("data.taxonomy=mikels8",), LabelError, "has no amusement"),
        (("net.weights=wheel",), ModelError, "give weights=timm, none or a file"),
        (('net.taps=["blocks.9"]',), UnknownName, "unknown layer of the backbone"),
    ],
)
def test_what_cannot_be_had_is_named(
    settings: tuple[str, ...], error: type[Exception], says: str, prepared: Path
) -> None:
    with pytest.raises(error, match=says):
        start(small("evoked_emotion6", *settings), prepared, Place())


def test_a_set_without_valence_says_how_to_go_on(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emolens.learn.tasks import evoked

    bare = read_pictures(prepared, "train", 32)
    bare = replace(bare, values=np.full_like(bare.values, np.nan))
    monkeypatch.setattr(evoked, "read_pictures", lambda *_: bare)
    with pytest.raises(DataError, match=r"add --set loss\.values=0"):
        evoked.pictures_of(small("evoked_emotion6"), prepared, "train")


def test_a_distribution_that_does_not_sum_to_one_is_named_with_its_row(archive: Path, tmp_path: Path) -> None:
    rows = [("joy/1.jpg", 5, 5, 0.5, 0, 0, 0, 0, 0, 0.1)]
    write_rows(tmp_path / "ground_truth.txt", (HEADER6, *rows), delimiter="\t")
    draw_all(tmp_path / "images", ["joy/1.jpg"])
    with pytest.raises(DataError, match=r"probabilities sum to 0\.6"):
        list(reader("emotion6").read(tmp_path))


def test_pictures_without_their_ground_truth_say_what_is_missing(tmp_path: Path) -> None:
    draw_all(tmp_path / "images", ["joy/1.jpg"])
    with pytest.raises(DataError, match=r"no ground_truth\.txt there; Emotion6: get Emotion6 from its authors"):
        list(reader("emotion6").read(tmp_path))


def test_a_run_is_asked_and_judged_in_its_own_classes(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(small("ew_mtcnn_lite0", "net.init=corr", "net.stages=1"), prepared, run, progress=False)
    rows = open_rows(prepared, "val", "emotion6")
    found = predict_run(run, rows)
    learnt = read_pictures(prepared, "val", 32).expressed_in(EKMAN6)
    assert (found.task, found.taxonomy.classes, len(found)) == ("evoked", EKMAN6.classes, len(learnt))
    assert f"6 classes, {learnt.dropped:.1%} of the probability left out" in found.subset
    np.testing.assert_allclose(found.targets, learnt.targets, atol=1e-6)
    assert found.values is None  # the recipe does not learn them
    mean = report_on(found, rows).judgements[-1]
    train = read_pictures(prepared, "train", 32).expressed_in(EKMAN6).targets.mean(axis=0)
    np.testing.assert_allclose(mean.predictions.probabilities[0], train, atol=1e-5)
    np.testing.assert_allclose(found.prior, train, atol=1e-5)
    heats = run_cams(run, rows, np.array([2, 0]), ["fear", "disgust"])
    assert heats.shape == (2, 32, 32)
    assert 0 <= heats.min() <= heats.max() <= 1
    card = export_evoked(run, prepared, tmp_path / "model.onnx")
    model = Classifier.load(tmp_path / "model.onnx")
    assert "values" not in model.outputs  # what was never learnt is not told
    assert "valence" not in card.summary
    assert card.parity is not None
    assert card.parity.kind == "float32"
    exported = ask_model(tmp_path / "model.onnx", rows)
    np.testing.assert_allclose(exported.logits, found.logits, atol=1e-3)


def test_what_a_set_lacks_is_no_part_of_it_and_has_no_mean(prepared: Path) -> None:
    with pytest.raises(DataError, match="has no test and no other; prepare a set that has some"):
        whole_set(prepared, 32, ("test", "other"))
    rows = open_rows(prepared, "val", "emotion6")
    assert rows.mean_of_train(MIKELS8) == ()
    assert len(rows.mean_of_train(EKMAN6)) == 6


def test_folds_hold_out_every_picture_of_train_and_val_once(prepared: Path, tmp_path: Path) -> None:
    figures = {one.name: one for one in fit_folds(small("evoked_emotion6"), prepared, tmp_path, 2, progress=False)}
    parts = [pictures_of(small("evoked_emotion6", "data.folds=2", f"data.fold={k}"), prepared, "val") for k in (0, 1)]
    whole = sum(len(read_pictures(prepared, split, 32)) for split in ("train", "val"))
    assert {"kl", "cosine", "accuracy_keyword"} < set(figures)
    assert figures["kl"].pooled.n == whole == len(parts[0]) + len(parts[1])
    assert not set(parts[0].ids) & set(parts[1].ids)
    with pytest.raises(OptionError, match=r"data\.fold is 2 of data\.folds=2"):
        small("evoked_emotion6", "data.folds=2", "data.fold=2")


def test_an_exported_run_averages_both_views_and_gives_values_and_features(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(small("evoked_emotion6", 'net.taps=["blocks.1"]', "net.hidden=8"), prepared, run, progress=False)
    card = export_evoked(run, prepared, tmp_path / "model.onnx", int8=True)
    assert (card.task, card.picture, card.labels) == ("evoked", "stretched", EMOTION6.classes)
    assert "academic research only" in card.licences.data.lower()
    assert not card.licences.commercial
    model = Classifier.load(tmp_path / "model.onnx")
    frames = read_pictures(prepared, "val", 32).images
    found = model.answers(frames, ("logits", "values", "features"))
    mirrored = model.answers(np.ascontiguousarray(frames[:, :, ::-1]), ("logits", "values"))
    np.testing.assert_allclose(found["logits"], mirrored["logits"], atol=1e-4)
    np.testing.assert_allclose(found["values"], mirrored["values"], atol=1e-4)
    assert 1 <= found["values"].min() <= found["values"].max() <= 9
    assert found["features"].ndim == 4
    stored = {weights.data_type for weights in onnx.load(str(tmp_path / "model.onnx")).graph.initializer}
    assert onnx.TensorProto.INT8 in stored


def test_a_file_that_does_not_agree_is_refused() -> None:
    wanted = np.full((4, 2), 0.5)
    assert agreement(np.add(wanted, [[0.004, -0.004]]), wanted).max_difference == pytest.approx(0.004)
    with pytest.raises(ModelError, match=r"differs from the net by 0\.200 on average"):
        agreement(np.add(wanted, [[0.2, -0.2]]), wanted)
