"""Settings that cannot be are refused in one line that says what is allowed; what was once trained is still read."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from emolens.errors import OptionError, UnknownName
from emolens.learn.config import (
    BackboneNet,
    DanNet,
    DepthwiseNet,
    EvokedRecipe,
    ExpressionRecipe,
    GroupRecipe,
    Net,
    Optim,
    ResNet,
    StimuliRecipe,
    VggNet,
    WheelNet,
    changed,
    parse_recipe,
)
from emolens.learn.config.described import described
from emolens.learn.config.group import FaceSetNet, HybridNet, SceneNet, Trunk
from emolens.learn.nets import build
from emolens.learn.nets.wheel import wheel_net
from emolens.learn.recipes import RECIPES, legacies, recipe
from emolens.taxonomy import EKMAN6

EVERY = [(name, False) for name in RECIPES] + [(name, True) for name in legacies()]


def refused(name: str, *settings: str) -> str:
    with pytest.raises(OptionError) as error:
        changed(recipe(name), settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("name", "legacy"), EVERY)
def test_every_recipe_that_ships_is_allowed_and_read_back(name: str, legacy: bool) -> None:
    found = recipe(name, legacy)
    assert changed(found, []) == found
    assert parse_recipe(found.model_dump_json()) == found


# --- shapes of nets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["expression_ferplus", "resnet_ferplus", "phone_ferplus", "dan_ferplus"])
@pytest.mark.parametrize("widths", ["[0, 8]", "[8, -1]"])
def test_a_layer_without_units_is_refused_by_the_name_of_its_setting(name: str, widths: str) -> None:
    assert refused(name, f"net.widths={widths}") == f"setting net.widths={widths}: Input should be greater than 0"


def test_the_stages_of_spherefaces_have_units_too() -> None:
    assert "setting net.faces.widths=[4, 4, 4, 0]" in refused("group_faces", "net.faces.widths=[4,4,4,0]")


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_the_least_picture_of_a_vgg_is_the_least_that_its_pools_leave_something_of(blocks: int) -> None:
    widths, least = [4] * blocks, 2**blocks
    said = refused("expression_ferplus", f"net.widths={widths}", f"net.size={least - 1}")
    assert f"net.size={least - 1} " in said
    assert f"needs {least} or more" in said
    net = build(VggNet(widths=tuple(widths), size=least), 7)
    assert net(torch.rand(2, 1, least, least))["logits"].shape == (2, 7)
    with pytest.raises(RuntimeError, match="too small"):
        net(torch.rand(2, 1, least - 1, least - 1))


def test_nets_that_round_up_see_pictures_of_any_side() -> None:
    for side in (1, 3, 5):
        for config in (ResNet(widths=(4, 4, 4), size=side), DepthwiseNet(widths=(4, 4, 4), size=side)):
            assert build(config, 7)(torch.rand(2, 1, side, side))["logits"].shape == (2, 7)


def test_vgg19_needs_the_picture_of_its_first_fully_connected_layer() -> None:
    assert "net.size=96; vgg19_bn needs 224 or more" in refused("ew_mtcnn", "net.size=96")


# --- a batch of one -----------------------------------------------------------------------------------------------

SMALL: list[Net] = [
    *(VggNet(widths=(4, 4), size=side) for side in (4, 5)),
    *(ResNet(widths=(4, 4), blocks=1, stride=stride, size=side) for stride, side in product((1, 2), (2, 3, 4, 5))),
    *(DepthwiseNet(widths=(4, 4), size=side) for side in (4, 5)),
    *(BackboneNet(backbone="test_efficientnet", size=side) for side in (32, 33)),
    BackboneNet(backbone="test_efficientnet", size=48, resolution=32),
    BackboneNet(backbone="test_efficientnet", size=32, resolution=48),
    DanNet(widths=(16, 16), blocks=1, size=48),
]


def learns_alone(net: nn.Module, side: int) -> bool:
    """Whether torch can take a training step with one picture."""
    try:
        net.train()(torch.rand(1, 1, side, side))
    except ValueError:  # expected more than 1 value per channel when training
        return False
    return True


@pytest.mark.parametrize("config", SMALL, ids=lambda net: f"{net.name}-{net.size}-{getattr(net, 'stride', '')}")
def test_one_picture_a_step_is_refused_where_torch_cannot_learn_from_it_and_nowhere_else(config: Net) -> None:
    whole = ExpressionRecipe(name="one", source="a test", net=config)
    if learns_alone(build(config, 7), config.size):
        assert changed(whole, ["optim.batch=1"]).optim.batch == 1
        return
    with pytest.raises(OptionError, match=r"optim\.batch=1: .*; needs 2 or more"):
        changed(whole, ["optim.batch=1"])
    assert changed(whole, ["optim.batch=2"]).optim.batch == 2


@pytest.mark.parametrize(("size", "hidden", "stages"), [(32, 0, None), (33, 0, None), (32, 0, 0), (48, 8, None)])
def test_so_it_is_with_what_pictures_evoke(size: int, hidden: int, stages: int | None) -> None:
    config = WheelNet(backbone="test_efficientnet", weights="none", size=size, hidden=hidden, stages=stages)
    net = wheel_net(config, EKMAN6).train()
    try:
        net(torch.rand(1, 3, size, size))
        fails = False
    except ValueError:
        fails = True
    assert bool(EvokedRecipe(name="one", source="a test", net=config).net.why_not_alone) is fails


def test_so_it_is_with_groups_and_maps() -> None:
    def why_not_alone(net: SceneNet | FaceSetNet | HybridNet) -> bool:
        return bool(GroupRecipe(name="one", source="a test", net=net).net.why_not_alone)

    scene = Trunk(backbone="test_efficientnet", weights="none")
    assert [why_not_alone(SceneNet(size=size, scene=scene)) for size in (32, 33)] == [True, False]
    assert (why_not_alone(HybridNet()), why_not_alone(FaceSetNet())) == (True, False)
    assert "optim.batch=1: faces and scene are normalised" in refused("group_hybrid", "optim.batch=1")
    assert "optim.batch=1: of 32 pixels" in refused("fcnel", "optim.batch=1", "net.size=32")
    held = changed(recipe("fcnel"), ["optim.batch=1", "net.size=32", "net.stages=0"])
    assert isinstance(held, StimuliRecipe)
    assert held.optim.batch == 1


# --- another net --------------------------------------------------------------------------------------------------


def test_another_net_comes_with_its_defaults_and_the_other_settings_are_of_it() -> None:
    before = recipe("expression_ferplus")
    after = changed(before, ["net.heads=2", "net.name=dan", "net.widths=[16,32]"])
    assert isinstance(after, ExpressionRecipe)
    assert after.net == DanNet(heads=2, widths=(16, 32))
    assert after.model_copy(update={"net": VggNet()}) == before
    assert changed(before, ["net.name=vgg"]) == before  # the net that it has is kept as it is


def test_another_net_of_groups() -> None:
    after = changed(recipe("group_scene"), ["net.name=face_set", "net.faces.limit=3"])
    assert isinstance(after, GroupRecipe)
    assert isinstance(after.net, FaceSetNet)
    assert after.net.faces.limit == 3


def test_a_net_that_is_not_there_and_settings_of_the_net_before_are_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown net 'dann'\. Did you mean 'dan'"):
        changed(recipe("expression_ferplus"), ["net.name=dann"])
    with pytest.raises(UnknownName, match=r"unknown setting 'net\.depths'"):
        changed(recipe("expression_ferplus"), ["net.name=resnet", "net.depths=[1,1]"])
    assert refused("evoked_emotion6", "net.name=dan") == "setting net.name='dan': Input should be 'wheel'"


# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("augment.flip=3", "augment.flip=3: Input should be less than or equal to 1"),
        ("augment.rotate=-1", "augment.rotate=-1: Input should be greater than or equal to 0"),
        ("augment.rotate=181", "less than or equal to 180"),
        ("augment.scale=1", "augment.scale=1: Input should be less than 1"),
        ("augment.shift=1.5", "less than or equal to 1"),
        ("augment.erase_side=[0.5,0.1]", "augment.erase_side=[0.5, 0.1]: needs two fractions"),
        ("augment.erase_side=[0.1,2]", "the smaller one first"),
        ("augment.erase_side=[-0.1,0.2]", "from 0 to 1"),
        ("optim.lr=Infinity", "optim.lr=inf: Input should be a finite number"),
        ("optim.lr=NaN", "optim.lr=nan: Input should be a finite number"),
        ("optim.lr=1e999", "finite"),
        ("optim.clip=Infinity", "finite"),
        ("loss.mixup=NaN", "finite"),
        ("distil.view=seen", "distil.view=seen needs a teacher"),
        ("distil.weight=0.7", "distil.weight=0.7 needs a teacher"),
    ],
)
def test_a_setting_past_its_bounds_is_named(setting: str, says: str) -> None:
    assert says in refused("expression_ferplus", setting)


def test_what_bounds_do_not_mean_is_allowed() -> None:
    for settings in (
        ["optim.epochs=1"],  # of which half warms up
        ["distil.teacher=a.onnx", "distil.view=seen", "distil.weight=0.7"],
        ["augment.erase_side=[0.2,0.2]", "augment.rotate=180"],
    ):
        assert changed(recipe("expression_ferplus"), settings)


# --- described ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "legacy"), EVERY)
def test_every_setting_that_is_described_can_be_given_as_it_is_written(name: str, legacy: bool) -> None:
    found = recipe(name, legacy)
    settings = described(found)
    assert changed(found, [f"{one.name}={one.text}" for one in settings]) == found
    assert [one.name for one in settings if not one.about] == []
    assert all(one.value in one.choices for one in settings if one.choices)
    assert not any(one.name == "task" for one in settings)


def test_the_kinds_of_nets_are_choices() -> None:
    by = {one.name: one for one in described(recipe("dan_ferplus"))}
    assert by["net.name"].choices == ("vgg", "resnet", "depthwise", "backbone", "dan")
    assert by["optim.name"].choices == ("sgd", "adam", "adamw")
    assert by["optim.epochs"].value == Optim().epochs
