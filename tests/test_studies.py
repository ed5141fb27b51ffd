from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.pictures import LabelledPictures
from emolens.data.splits import emotion6_folds
from emolens.errors import DataError, UnknownName
from emolens.evaluation.distributions import per_picture
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.studies import study
from emolens.learn.studies.emotion_wheel_page import write_report
from emolens.learn.studies.evoked_default import Answers, without_neutral
from emolens.learn.studies.folds import distributed, fixed_folds
from emolens.learn.studies.frozen import Views, varied
from emolens.learn.studies.heads import Arm, grid, teach
from emolens.learn.studies.members import Member, answers, joined_heads, member_loss, narrowed, teach_member
from emolens.taxonomy import EKMAN6, EMOTION6

N, D = 160, 12
World = tuple[np.ndarray, LabelledPictures, np.ndarray]


@pytest.fixture(scope="module")
def world() -> World:
    """Pictures whose distribution is a softmax of their features; four views of each, a little apart."""
    chance = np.random.default_rng(0)
    features = chance.normal(size=(N, D)).astype(np.float32)
    powers = np.exp(1.5 * features[:, :6])
    targets = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    values = np.stack([5 + features[:, 0], 5 - features[:, 1]], axis=1).astype(np.float32)
    images = np.zeros((N, 4, 4, 3), np.uint8)
    pictures = LabelledPictures(
        np.array([f"p{at}" for at in range(N)]), images, targets, values, targets.argmax(axis=1), EKMAN6, "all"
    )
    views = features + 0.05 * chance.normal(size=(4, N, D)).astype(np.float32)
    return views, pictures, fixed_folds(pictures)


def test_an_identity_wheel_changes_nothing_and_the_leftovers_do(world: World) -> None:
    none, eye, legacy = (teach(arm, *world, seeds=2, epochs=4) for arm in (Arm(), Arm("eye"), Arm("eye", legacy=True)))
    np.testing.assert_allclose(none.held_out, eye.held_out, atol=1e-5)
    assert legacy.curve[-1, 0] > eye.curve[-1, 0]
    assert none.curve[-1, 0] < none.curve[0, 0]
    assert none.held_out.shape == (2, N, 6)
    assert none.on_training.shape == (2, 5, N, 6)


def test_a_frozen_wheel_stays_and_a_trained_one_moves(world: World) -> None:
    frozen, trained = (teach(Arm("original", prior=how), *world, seeds=1, epochs=1) for how in ("frozen", "trained"))
    np.testing.assert_array_equal(frozen.before, frozen.after)
    assert np.abs(trained.after - trained.before).max() > 1e-4


def test_held_out_answers_do_not_see_their_own_fold(world: World) -> None:
    views, pictures, folds = world
    spoilt = LabelledPictures(
        pictures.ids, pictures.images, pictures.targets.copy(), pictures.values, pictures.keyword, EKMAN6, "all"
    )
    spoilt.targets[folds == 0] = np.eye(6, dtype=np.float32)[0]
    clean, other = (teach(Arm(label=0), views, each, folds, 1, 1).held_out for each in (pictures, spoilt))
    np.testing.assert_allclose(clean[:, folds == 0], other[:, folds == 0], atol=1e-6)
    assert np.abs(clean - other)[:, folds != 0].max() > 1e-3


def test_the_grid_has_every_initialisation_with_either_head() -> None:
    names = [arm.name for arm in grid(EKMAN6)]
    assert len(names) == len(set(names)) == 32
    assert {"none, corrected head", "none, legacy head", "original, frozen, legacy head"} <= set(names)


def test_several_heads_as_one_give_their_mean(world: World) -> None:
    views, pictures, folds = world
    rows = np.flatnonzero(folds != 0)
    settings = Member(hidden=8, epochs=3, batch=32)
    heads = [teach_member(settings, views, pictures, rows, seed) for seed in (0, 1)]
    logits, values = answers(joined_heads(heads), views[:2])
    apart = [answers(head, views[:2]) for head in heads]
    np.testing.assert_allclose(logits, np.mean([each[0] for each in apart], axis=0), atol=1e-5)
    np.testing.assert_allclose(values, np.mean([each[1] for each in apart], axis=0), atol=1e-5)
    assert np.abs(values).max() < 1.5  # from -1 to 1, not standard deviations


def test_the_largest_error_of_a_class_counts() -> None:
    torch.manual_seed(0)
    head, seen = WheelHead(4, 6).eval(), torch.randn(5, 4)
    wanted = torch.cat([torch.rand(5, 6).softmax(dim=1), torch.rand(5, 2)], dim=1)
    without, beside = (member_loss(head, seen, wanted, 6, Member(farthest=weight)) for weight in (0, 2))
    shares = head(seen)["logits"].softmax(dim=1).detach().numpy()
    chebyshev = per_picture(shares, wanted[:, :6].numpy())["chebyshev"].mean()
    assert float(beside - without) == pytest.approx(2 * chebyshev, rel=1e-5)


def test_views_are_the_picture_its_mirror_image_and_parts_of_it() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    chance = np.random.default_rng(1)
    np.testing.assert_array_equal(varied(picture, 0, Views(), chance), picture)
    np.testing.assert_array_equal(varied(picture, 1, Views(), chance), picture[:, ::-1])
    near = varied(picture, 1, Views(middle=0.5), chance)
    np.testing.assert_array_equal(near[[0, -1]][:, [0, -1]], picture[[4, 11]][:, [11, 4]])
    part = varied(picture, 2, Views(), chance)
    assert part.shape == picture.shape
    assert (part != picture).any()


def test_emotion6_has_its_fixed_folds_and_other_sets_even_ones(world: World) -> None:
    ids = np.array([name for names in emotion6_folds() for name in names[:2]])
    pictures = world[1].keep(np.arange(10))
    known = LabelledPictures(ids, pictures.images, pictures.targets, pictures.values, pictures.keyword, EKMAN6, "all")
    assert fixed_folds(known).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert np.bincount(world[2]).min() > 20


def test_a_report_names_every_row_and_its_plots(world: World, tmp_path: Path) -> None:
    found = [teach(arm, *world, seeds=1, epochs=1) for arm in (Arm("original", prior="trained"), Arm(legacy=True))]
    names = ("kl", "chebyshev", "clark", "canberra", "cosine", "intersection", "accuracy_keyword", "accuracy_top")
    figure = {"value": 0.5, "low": 0.4, "high": 0.6, "seed_sd": None, "n": N}
    rows = [{"name": each.arm.name, "figures": dict.fromkeys(names, figure)} for each in found]
    page = write_report(tmp_path / "out", {"n": N, "classes": list(EKMAN6.classes)}, rows, found)
    assert all(row["name"] in page.read_text() for row in rows)
    assert {path.name for path in page.parent.iterdir()} == {
        "index.html", "results.json", "curves.png", "priors.png", "held_out.png"
    }  # fmt: skip
    assert json.loads((page.parent / "results.json").read_text())["about"]["n"] == N


def test_labels_without_distributions_and_unknown_studies_are_refused(world: World) -> None:
    labels = world[1].keep(np.arange(6))
    labels.targets[:] = np.eye(6)
    with pytest.raises(DataError, match="give Emotion6, or a table"):
        distributed(labels)
    with pytest.raises(UnknownName, match="Did you mean 'emotion_wheel'"):
        study("emotion_wheels")
    answer = CliRunner().invoke(app, ["study", "emotion_whel", "--data", ".", "--out", "x"])
    assert answer.exit_code == 2
    assert "Did you mean 'emotion_wheel'" in answer.output


def test_figures_without_neutral_leave_it_out_of_answers_and_targets() -> None:
    chance = np.random.default_rng(3)
    targets = chance.dirichlet(np.ones(7), 20).astype(np.float32)
    targets[0] = np.eye(7)[6]  # nothing but neutral
    ids, images = np.array([f"p{at}" for at in range(20)]), np.zeros((20, 2, 2, 3), np.uint8)
    pictures = LabelledPictures(
        ids, images, targets, np.zeros((20, 2), np.float32), targets.argmax(axis=1), EMOTION6, "all"
    )
    perfect = Answers(np.log(targets + 1e-9), pictures.values)
    figures = without_neutral(perfect, pictures)
    assert figures["n"] == 19
    assert figures["kl"] == pytest.approx(0, abs=1e-5)
    assert figures["intersection"] == pytest.approx(1, abs=1e-5)
    assert without_neutral(perfect, replace(pictures, taxonomy=EKMAN6)) == {}


def test_a_narrowed_head_keeps_all_that_its_features_tell_and_through_few_numbers(world: World) -> None:
    views, pictures, folds = world
    views = views[:, :, :5] @ np.random.default_rng(4).normal(size=(5, D)).astype(np.float32)
    rows = np.flatnonzero(folds != 0)
    whole = teach_member(Member(hidden=64, epochs=3, batch=32), views, pictures, rows, 0)
    slim = narrowed(whole, views[:2, rows], 5)
    assert [layer.out_features for layer in slim.body if isinstance(layer, nn.Linear)] == [5, 64]
    wanted, found = (answers(head, views[:2])[0] for head in (whole, slim))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert narrowed(whole, views[:2, rows], D) is whole  # there is nothing to gain
