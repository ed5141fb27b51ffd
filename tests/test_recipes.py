"""Every recipe trains on an archive laid out as its own, small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emolens.errors import LabelError, ModelError, OptionError
from emolens.learn.cards import draft_card
from emolens.learn.config import ExpressionRecipe, changed
from emolens.learn.devices import Place
from emolens.learn.fit import fit
from emolens.learn.loading import rows_of
from emolens.learn.predict import load_member
from emolens.learn.recipes import RECIPES, legacies, recipe
from emolens.learn.runs import read_checkpoint
from emolens.learn.tasks import start
from expression_sets import AFF_VAL, write_affectnet, write_ck_raf_aff, write_fer2013, write_lists, write_rafdb
from fakes import linear_card, linear_model

WRITERS: dict[str, Callable[[Path], Path]] = {
    "ferplus": write_fer2013,
    "fer2013": write_fer2013,
    "rafdb": write_rafdb,
    "affectnet": write_affectnet,
    "ck_raf_aff": write_ck_raf_aff,
    "lists": write_lists,
}
CLASSES = {"ferplus": 8, "fer2013": 7, "rafdb": 7, "ck_raf_aff": 6, "lists": 6}
SMALL = ("optim.epochs=1", "optim.batch=8", "optim.warmup_epochs=0", "optim.precision=float32", "net.size=24")
SMALL_NETS = {
    "vgg": ("net.widths=[4,8]",),
    "resnet": ("net.widths=[4,8]", "net.blocks=1"),
    "depthwise": ("net.widths=[4,8]",),
    "backbone": ("net.backbone=test_efficientnet", "net.weights=none", "net.resolution=32"),
    "dan": ("net.widths=[4,8]", "net.blocks=1", "net.resolution=24"),
}
CASES = [(name, False) for name in RECIPES if isinstance(recipe(name), ExpressionRecipe)]
CASES += [(name, True) for name in legacies() if isinstance(recipe(name), ExpressionRecipe)]


def small(name: str, legacy: bool = False) -> ExpressionRecipe:
    found = recipe(name, legacy)
    assert isinstance(found, ExpressionRecipe)
    return changed(found, [*SMALL, *SMALL_NETS[found.net.name]])


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    written: dict[str, Path] = {}

    def archive(data: str) -> Path:
        if data not in written:
            written[data] = WRITERS[data](tmp_path_factory.mktemp(data))
        return written[data]

    return archive


@pytest.mark.parametrize(("name", "legacy"), CASES)
def test_a_recipe_trains_on_its_own_layout(
    name: str, legacy: bool, archives: Callable[[str], Path], tmp_path: Path
) -> None:
    found = small(name, legacy)
    if found.distil.teachers:
        found = changed(found, [f"distil.teacher={linear_model(tmp_path / 'teacher.onnx', linear_card(size=24))}"])
    fit(found, archives(found.data.name), tmp_path / "run", progress=False)
    classes = CLASSES.get(found.data.name, int(found.data.chosen.get("classes", 0)))
    channels = 3 if found.data.colour == "rgb" else 1
    answer = load_member(tmp_path / "run")(torch.rand(2, channels, 24, 24) * 255)
    assert answer["logits"].shape == (2, classes)
    assert len(read_checkpoint(tmp_path / "run").taxonomy) == classes


def test_a_recipe_that_is_taught_wants_to_know_by_whom(archives: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"distil\.teacher=TEACHER\.onnx: no such file, needs an ONNX model"):
        fit(small("expression_ferplus_distilled"), archives("ferplus"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_names_a_paper_and_says_so_in_its_docstring(name: str) -> None:
    assert "20" in recipe(name).source
    assert RECIPES[name].__doc__


def test_the_legacy_repeats_what_changed_the_numbers() -> None:
    for name in ("dan_ck_raf_aff", "efficientnet_b3_ck_raf_aff"):
        now, then = recipe(name), recipe(name, legacy=True)
        assert isinstance(now, ExpressionRecipe)
        assert isinstance(then, ExpressionRecipe)
        assert (then.augment.upend, then.augment.rotate, then.augment.val) == (0.5, 120, True)
        assert (now.augment.upend, now.augment.rotate, now.augment.val) == (0, 15, False)
        assert (now.data.name, then.data.name) == ("ck_raf_aff", "lists")
        assert (now.optim, now.seed) == (then.optim, then.seed)
        assert (now.best, then.best) == ("kl", "accuracy")
    assert recipe("dan_ck_raf_aff", legacy=True).loss.centres == "fixed"  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="no legacy variant; those that have one: dan_ck_raf_aff, efficientnet_b3"):
        recipe("dan_rafdb", legacy=True)


def test_what_affectnet_reports_on_is_not_what_its_recipe_chooses_on(archives: Callable[[str], Path]) -> None:
    found, root = small("dan_affectnet7"), archives("affectnet")
    parts = {split: set(rows_of(found, root, split).ids.tolist()) for split in ("train", "val", "test")}
    published = {path.parent.parent.name for path in root.glob("*/*/*.jpg")}
    assert published == {"train", "val"}
    assert all(one.startswith("val/") for one in parts["test"])
    assert len(parts["test"]) == AFF_VAL * 7
    assert parts["val"]
    assert all(one.startswith("train/") for one in parts["train"] | parts["val"])


def test_classes_that_the_data_lacks_are_named(archives: Callable[[str], Path], tmp_path: Path) -> None:
    wrong = changed(small("expression_fer2013"), ["data.taxonomy=ferplus"])
    with pytest.raises(LabelError, match="fer2013 has no contempt; choose classes out of anger"):
        fit(wrong, archives("fer2013"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_fewer_classes_can_be_learnt_than_there_are(archives: Callable[[str], Path], tmp_path: Path) -> None:
    six = changed(small("expression_fer2013"), ["data.taxonomy=ekman6"])
    fit(six, archives("fer2013"), tmp_path / "run", progress=False)
    assert read_checkpoint(tmp_path / "run").taxonomy.name == "ekman6"


def test_a_batch_that_the_rows_cannot_fill_is_named(archives: Callable[[str], Path], tmp_path: Path) -> None:
    large = changed(small("expression_fer2013"), ["optim.batch=64"])
    with pytest.raises(OptionError, match=r"optim\.batch=64 is more than the 42 training rows"):
        fit(large, archives("fer2013"), tmp_path / "run", progress=False)


def test_a_start_has_all_weights_and_those_of_the_backbone_are_not_asked_for(
    archives: Callable[[str], Path], tmp_path: Path
) -> None:
    first = small("expression_ferplus_lite0")
    fit(first, archives("ferplus"), tmp_path / "run", progress=False)
    gone = changed(first, ["net.weights=gone.pth"])
    again = changed(gone, [f"distil.start={tmp_path / 'run'}"])
    assert isinstance(gone, ExpressionRecipe)
    assert isinstance(again, ExpressionRecipe)
    with pytest.raises(ModelError, match=r"weights=gone\.pth: no such file"):
        start(gone, archives("ferplus"), Place())
    taken = start(again, archives("ferplus"), Place()).task.net.state_dict()
    for name, value in load_member(tmp_path / "run").state_dict().items():
        torch.testing.assert_close(taken[name], value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "packaged ones of tf_efficientnet_lite0"),
        (("net.weights=models/mine.pth",), "others published: mine.pth"),
        (("net.weights=none",), ""),
        (("net.name=dan", "net.weights=timm"), "timm's of resnet18"),
        (("net.name=dan", "net.weights=timm", "net.widths=[4,8]"), ""),  # that trunk is none of timm's
    ],
)
def test_a_card_names_the_weights_that_a_net_began_with(
    settings: tuple[str, ...], said: str, archives: Callable[[str], Path]
) -> None:
    found = changed(recipe("expression_ferplus_lite0"), settings)
    assert isinstance(found, ExpressionRecipe)
    train = rows_of(found, archives("ferplus"), "train")
    told = draft_card([found, found], "a-model", train).training_data
    assert told.startswith("FER2013 Training pictures with FER+ votes")
    assert (told.count("begun with"), said in told) == (bool(said), True)
    fresh = changed(recipe("expression_ferplus"), [])
    assert isinstance(fresh, ExpressionRecipe)
    mixed = draft_card([fresh, found, fresh], "a-model", train).training_data
    assert mixed == told


def test_a_card_follows_a_start_to_the_weights_that_began_it(archives: Callable[[str], Path], tmp_path: Path) -> None:
    train, run = rows_of(small("expression_ferplus"), archives("ferplus"), "train"), tmp_path / "lite0"
    taught = changed(small("expression_ferplus_lite0"), ["net.weights=none", f"distil.start={run}"])
    assert isinstance(taught, ExpressionRecipe)
    assert draft_card([taught], "a-model", train).training_data.endswith("; begun with the run lite0")
    run.mkdir()
    (run / "recipe.json").write_text(recipe("expression_ferplus_lite0").model_dump_json())
    assert draft_card([taught], "a-model", train).training_data.endswith("packaged ones of tf_efficientnet_lite0")


@pytest.mark.parametrize("name", ["dan_rafdb", "efficientnet_b3_ck_raf_aff", "resnet18_fer2013"])
def test_the_card_of_a_run_says_what_it_learnt_from(name: str, archives: Callable[[str], Path]) -> None:
    found = small(name)
    card = draft_card([found], "a-model", rows_of(found, archives(found.data.name), "train"))
    assert card.colour == found.data.colour
    assert (card.framing is None) == (name != "resnet18_fer2013")  # only FER2013's was measured
    assert card.classes.classes == card.labels
    for title in {"dan_rafdb": ("RAF-DB",), "resnet18_fer2013": ("FER2013",)}.get(name, ("CK+", "RAF-DB", "AffectNet")):
        assert title in card.training_data
        assert title in card.licences.data
    assert not card.licences.commercial
    assert "Apparent expression, not feeling" in card.limits
