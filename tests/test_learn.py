import math
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from torch.nn import functional

from emolens.data.fer2013 import read_ferplus
from emolens.errors import ModelError, OptionError, OutputError, UnknownName
from emolens.learn.config import Augment, Distil, ExpressionRecipe, VggNet, changed, parse_recipe
from emolens.learn.devices import Place
from emolens.learn.distil import Teacher
from emolens.learn.fit import fit
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.nets import build
from emolens.learn.nets.ensemble import Ensemble, PictureAndMirror
from emolens.learn.nets.vgg import Vgg, standardise
from emolens.learn.predict import load_member, logits
from emolens.learn.recipes import RECIPES, recipe
from emolens.learn.tasks.expression import start
from emolens.learn.transforms import augment, erase, random_affine, warp
from emolens.models.classifier import Classifier
from fakes import linear_card, linear_model
from ferplus import write_ferplus

STILL = Augment(rotate=0, scale=0, shift=0, flip=0, erase=0)
SMALL = ["net.widths=[8,8]", "optim.epochs=2", "optim.batch=16", "optim.warmup_epochs=0.5", "optim.ema=0.5",
         "optim.precision=float32"]  # fmt: skip


# --- settings -----------------------------------------------------------------------------------------------------


def test_a_setting_changes_one_field_and_nothing_else() -> None:
    before = recipe("expression_ferplus")
    after = changed(before, ["optim.lr=0.05", "seed=7"])
    assert (after.optim.lr, after.seed) == (0.05, 7)
    assert after.model_copy(update={"optim": before.optim, "seed": before.seed}) == before


@pytest.mark.parametrize(
    ("setting", "error", "says"),
    [
        ("optim.lrr=1", UnknownName, "Did you mean 'optim.lr'"),
        ("net=8", UnknownName, "net.size"),
        ("seed.x=1", UnknownName, "seed.x"),
        ("optim.lr=fast", OptionError, "optim.lr='fast'"),
        ("optim.lr=-1", OptionError, "greater than 0"),
        ("optim.lr", OptionError, "section.field=value"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        changed(recipe("expression_ferplus"), [setting])


def test_an_unknown_recipe_names_the_near_miss() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'expression_ferplus'"):
        recipe("expression_ferpluss")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_has_its_name_and_a_source(name: str) -> None:
    assert recipe(name).name == name
    assert recipe(name).source


# --- pictures -----------------------------------------------------------------------------------------------------


def test_no_change_is_no_change() -> None:
    images = torch.rand(3, 1, 16, 16) * 255
    torch.testing.assert_close(augment(images, STILL), images, atol=1e-3, rtol=0)


def test_a_sure_flip_mirrors() -> None:
    images = torch.rand(2, 1, 16, 16)
    maps = random_affine(2, STILL.model_copy(update={"flip": 1.0}))
    torch.testing.assert_close(warp(images, maps), images.flip(-1), atol=1e-5, rtol=0)


def test_a_share_of_the_pictures_is_moved_and_the_others_are_at_most_mirrored() -> None:
    torch.manual_seed(0)
    images = torch.rand(200, 3, 12, 12)
    moving = STILL.model_copy(update={"rotate": 20.0, "shift": 0.1, "flip": 0.5, "share": 0.2})
    maps = random_affine(200, moving)
    warped = warp(images, maps)
    same = (warped == images).all(dim=(1, 2, 3)) | (warped == images.flip(-1)).all(dim=(1, 2, 3))
    assert 0.7 < same.float().mean() < 0.9
    nudged = maps + 1e-7  # no picture is copied: all are sampled
    torch.testing.assert_close(warp(images, nudged), warped, atol=1e-4, rtol=0)
    assert torch.equal(random_affine(5, STILL.model_copy(update={"share": 0.0})), torch.eye(2, 3).expand(5, 2, 3))


def test_upending_turns_a_picture_upside_down() -> None:
    images = torch.rand(2, 1, 16, 16)
    maps = random_affine(2, STILL.model_copy(update={"upend": 1.0}))
    torch.testing.assert_close(warp(images, maps), images.flip(-2), atol=1e-5, rtol=0)


def test_turning_keeps_shape_and_scale() -> None:
    maps = random_affine(200, STILL.model_copy(update={"rotate": 12.0}))
    assert torch.linalg.det(maps[:, :, :2]).sub(1).abs().max() < 1e-5
    angles = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]).abs().rad2deg()
    assert 10 < angles.max() <= 12.001


def test_erasing_blanks_a_rectangle_of_the_right_size_with_the_mean() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 1, 48, 48) * 255
    settings = STILL.model_copy(update={"erase": 1.0})
    changed_pixels = (erase(images, settings) != images).float().mean(dim=(1, 2, 3))
    low, high = (side**2 for side in settings.erase_side)
    assert changed_pixels.min() > low * 0.7
    assert changed_pixels.max() < high * 1.2
    untouched = erase(images, settings.model_copy(update={"erase": 0.0}))
    torch.testing.assert_close(untouched, images)


# --- nets ---------------------------------------------------------------------------------------------------------


def test_standardising_forgets_exposure_and_survives_a_blank_picture() -> None:
    images = torch.rand(2, 1, 48, 48) * 100
    torch.testing.assert_close(standardise(images), standardise(images + 90), atol=1e-4, rtol=0)
    assert standardise(torch.full((1, 1, 8, 8), 7.0)).abs().max() == 0


def test_the_default_net_has_the_size_it_claims() -> None:
    net = build(VggNet(), 8)
    assert sum(p.numel() for p in net.parameters()) == 1_174_696
    out = net.eval()(torch.rand(2, 1, 48, 48))
    assert (out["logits"].shape, out["features"].shape) == ((2, 8), (2, 256))


def test_answers_do_not_depend_on_the_rest_of_the_batch() -> None:
    net = build(VggNet(widths=(8, 16)), 8).eval()
    images = torch.rand(5, 1, 48, 48) * 255
    alone = torch.cat([net(image[None])["logits"] for image in images])
    torch.testing.assert_close(net(images)["logits"], alone, atol=1e-5, rtol=1e-5)


def test_every_parameter_learns() -> None:
    net = build(VggNet(widths=(8, 16)), 8)
    loss = soft_cross_entropy(net(torch.rand(8, 1, 48, 48) * 255)["logits"], torch.full((8, 8), 0.125))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_an_ensemble_averages_probabilities_and_mirrors_every_second_view() -> None:
    first, second = Vgg(3, (4,)).eval(), Vgg(3, (4,)).eval()
    images = torch.rand(2, 1, 16, 16) * 255
    wanted = (first(images)["logits"].softmax(1) + second(images.flip(-1))["logits"].softmax(1)) / 2
    torch.testing.assert_close(Ensemble([first, second])(images)["logits"].softmax(1), wanted)


def test_a_picture_and_its_mirror_image_in_one_batch_are_the_net_twice() -> None:
    net, images = Vgg(3, (4,)).eval(), torch.rand(5, 1, 16, 16) * 255
    found = PictureAndMirror(net)(images)["logits"]
    torch.testing.assert_close(found, Ensemble([net, net])(images)["logits"])
    torch.testing.assert_close(found, PictureAndMirror(net)(images.flip(-1))["logits"])


def test_soft_cross_entropy_is_divergence_plus_the_entropy_of_the_target() -> None:
    scores, target = torch.randn(4, 5), torch.rand(4, 5).softmax(1)
    divergence = functional.kl_div(scores.log_softmax(1), target, reduction="batchmean")
    entropy = torch.special.entr(target).sum(1).mean()
    torch.testing.assert_close(soft_cross_entropy(scores, target), divergence + entropy)
    assert soft_cross_entropy(torch.zeros(1, 8), torch.eye(8)[:1]).item() == pytest.approx(math.log(8))


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("ferplus"))


@pytest.fixture(scope="module")
def small_run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    fit(_small(), archive, run, progress=False)
    return run


class KilledError(Exception):
    pass


def _small() -> ExpressionRecipe:
    return changed(recipe("expression_ferplus"), SMALL)


def test_a_run_writes_what_repeats_it_and_learns(small_run: Path, archive: Path) -> None:
    assert parse_recipe((small_run / "recipe.json").read_text()) == _small()
    assert "torch" in (small_run / "environment.json").read_text()
    assert "val_kl" in (small_run / "metrics" / "version_0" / "metrics.csv").read_text()
    assert sorted(p.name for p in (small_run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_the_same_seed_gives_the_same_weights(small_run: Path, archive: Path, tmp_path: Path) -> None:
    fit(_small(), archive, tmp_path / "again", progress=False)
    _same_weights(small_run, tmp_path / "again")


def test_a_killed_run_goes_on_to_the_same_weights(small_run: Path, archive: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    with pytest.MonkeyPatch.context() as patch:

        def die(self: object, trainer: lightning.Trainer, *_: object) -> None:
            if trainer.current_epoch == 1:
                raise KilledError

        patch.setattr(lightning.pytorch.callbacks.ModelCheckpoint, "on_train_batch_start", die)
        with pytest.raises(KilledError):
            fit(_small(), archive, run, progress=False)
    fit(_small(), archive, run, resume=True, progress=False)
    _same_weights(small_run, run)


def test_a_run_is_not_overwritten_and_nothing_is_resumed_from_nothing(
    small_run: Path, archive: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="--resume"):
        fit(_small(), archive, small_run, progress=False)
    with pytest.raises(OptionError, match="nothing to resume"):
        fit(_small(), archive, tmp_path / "none", resume=True, progress=False)


def _same_weights(one: Path, other: Path) -> None:
    first, second = (load_member(run).state_dict() for run in (one, other))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=0, rtol=0, msg=name)


def test_logits_come_in_the_order_of_the_pictures(small_run: Path) -> None:
    images = np.random.default_rng(1).integers(0, 255, (5, 48, 48)).astype(np.uint8)
    net = load_member(small_run)
    np.testing.assert_allclose(logits(net, images, batch=2)[::-1], logits(net, images[::-1].copy()), atol=1e-5)


# --- teachers -----------------------------------------------------------------------------------------------------


def test_a_teacher_gives_part_of_the_target_from_both_views(tmp_path: Path, archive: Path) -> None:
    teacher = linear_model(tmp_path / "teacher.onnx", linear_card(size=48))
    faces = read_ferplus(archive, "train")
    said = Classifier.load(teacher)
    mirrored = said.predict(faces.images[:, :, ::-1].copy())[0]
    wanted = 0.75 * faces.targets + 0.25 * (said.predict(faces.images)[0] + mirrored) / 2
    taught = Teacher(Distil(teacher=str(teacher), weight=0.25), faces).of(faces)
    np.testing.assert_allclose(taught.targets, wanted, atol=1e-6)
    assert (taught.ids == faces.ids).all()


def test_a_teacher_answers_the_very_view_that_the_student_sees(tmp_path: Path, archive: Path) -> None:
    teacher = linear_model(tmp_path / "teacher.onnx", linear_card(size=48))
    faces = read_ferplus(archive, "train")
    seen = np.roll(faces.images, 5, axis=2)
    wanted = 0.75 * faces.targets + 0.25 * Classifier.load(teacher).predict(seen)[0]
    views = torch.from_numpy(seen).unsqueeze(1).float()
    taught = Teacher(Distil(teacher=str(teacher), weight=0.25), faces)
    np.testing.assert_allclose(taught.about(views, torch.from_numpy(faces.targets)), wanted, atol=1e-6)


def test_several_teachers_are_averaged(tmp_path: Path, archive: Path) -> None:
    cards = {"mild": linear_card(size=48, temperature=4.0), "sharp": linear_card(size=48, temperature=0.5)}
    one, other = (linear_model(tmp_path / f"{name}.onnx", card) for name, card in cards.items())
    faces = read_ferplus(archive, "train")
    said = [Classifier.load(teacher).predict(faces.images)[0] for teacher in (one, other)]
    assert np.abs(said[0] - said[1]).max() > 0.1
    views = torch.from_numpy(faces.images).unsqueeze(1).float()
    taught = Teacher(Distil(teacher=f"{one},{other}", weight=1), faces)
    found = taught.about(views, torch.from_numpy(faces.targets))
    np.testing.assert_allclose(found, (said[0] + said[1]) / 2, atol=1e-6)


@pytest.mark.parametrize("view", ["still", "seen"])
def test_a_teacher_is_heard_where_labels_are_learnt(tmp_path: Path, archive: Path, view: str) -> None:
    teacher = linear_model(tmp_path / "teacher.onnx", linear_card(size=48))
    taught = ["distil.weight=0.25", f"distil.view={view}", f"distil.teacher={teacher}"]
    plain = ["net.size=48", "loss.targets=label", "augment.share=0", "augment.flip=0", "augment.erase=0"]
    begun = start(changed(_small(), [*plain, *taught]), archive, Place())
    faces = read_ferplus(archive, "train")
    labels = np.eye(8)[faces.targets.argmax(axis=1)]
    views = (faces.images, faces.images[:, :, ::-1].copy()) if view == "still" else (faces.images,)
    said = np.mean([Classifier.load(teacher).predict(one)[0] for one in views], axis=0)
    task, batch = begun.task.eval(), begun.train.dataset.__getitems__(range(len(faces)))  # type: ignore[attr-defined]
    wanted = torch.from_numpy(0.75 * labels + 0.25 * said).float()
    logits = task.net(batch[0])["logits"]
    torch.testing.assert_close(task.loss(batch), torch.nn.functional.cross_entropy(logits, wanted))


def test_a_teacher_that_sees_other_pictures_is_refused(tmp_path: Path, archive: Path) -> None:
    teacher = linear_model(tmp_path / "teacher.onnx", linear_card(size=32))
    with pytest.raises(ModelError, match="sees grey faces of 32 px, the student grey ones of 48 px"):
        Teacher(Distil(teacher=str(teacher)), read_ferplus(archive, "train"))


def test_rows_of_val_are_learnt_from_where_a_recipe_says_so(archive: Path) -> None:
    apart, joined = (start(changed(_small(), [f"data.join_val={on}"]), archive, Place()) for on in ("false", "true"))
    assert len(joined.train.dataset) == len(apart.train.dataset) + len(apart.val.dataset)
    assert len(joined.val.dataset) == len(apart.val.dataset)


def test_a_teacher_of_other_labels_is_refused(tmp_path: Path, archive: Path) -> None:
    labels = ("happiness", "neutral")
    teacher = linear_model(tmp_path / "teacher.onnx", linear_card(size=48, labels=labels, taxonomy="two"))
    with pytest.raises(ModelError, match="teaches happiness, neutral; the data has ferplus"):
        Teacher(Distil(teacher=str(teacher)), read_ferplus(archive, "train"))


def test_a_run_starts_from_the_weights_of_another(small_run: Path, archive: Path, tmp_path: Path) -> None:
    still = changed(_small(), ["optim.lr=1e-12", "optim.weight_decay=0", "optim.epochs=1", "optim.ema=0"])
    fit(changed(still, [f"distil.start={small_run}"]), archive, tmp_path / "next", progress=False)
    first, second = (load_member(run).head.weight for run in (small_run, tmp_path / "next"))
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)
