"""Pictures that a backbone cannot see are named before training, with a side that it can."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from emolens.errors import OptionError
from emolens.learn.config import BackboneNet, DanNet, WheelNet
from emolens.learn.config.group import SceneNet, Trunk
from emolens.learn.nets import build
from emolens.learn.nets.backbone import backbone
from emolens.learn.nets.group import group_net
from emolens.learn.nets.sides import check_side
from emolens.learn.nets.wheel import wheel_net
from emolens.taxonomy import EKMAN6

CONVNEXT = "test_convnext"  # its last layer halves what is one place already, for pictures of less than 32 pixels


class OneSide(nn.Module):
    """A net that takes pictures of 96 pixels alone, and tells how often it learnt statistics."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[2:] == (96, 96), "Input height doesn't match model"
        return self.norm(images.new_ones(len(images), 4, 3, 3))  # type: ignore[no-any-return]


def test_the_side_that_is_named_is_one_that_the_backbone_sees() -> None:
    trunk = backbone(CONVNEXT)
    with pytest.raises(RuntimeError):
        trunk(torch.zeros(2, 3, 31, 31))
    assert trunk(torch.zeros(2, 3, 32, 32)).shape[1] == trunk.num_features
    with pytest.raises(OptionError, match=rf"net\.size=5: backbone {CONVNEXT} cannot see .*; 32 will do"):
        check_side(trunk, CONVNEXT, "net.size", 5)


def test_a_look_learns_nothing_and_a_net_of_one_side_names_it() -> None:
    net = OneSide().train()
    check_side(net, "one", "net.size", 96)
    assert int(net.norm.num_batches_tracked) == 0  # type: ignore[arg-type]
    assert net.training
    with pytest.raises(OptionError, match=r"net\.resolution=48: .*; 96 will do"):
        check_side(net, "one", "net.resolution", 48)
    with pytest.raises(OptionError, match=r"net\.size=97: .*; take another backbone"):
        check_side(net, "one", "net.size", 97)


def test_tokens_are_no_maps() -> None:
    with pytest.raises(OptionError, match=r"test_vit gives features of shape \(1, 101, 64\), needs maps"):
        build(BackboneNet(backbone="test_vit", resolution=160), 7, pretrained=True)


def test_a_net_that_will_not_go_without_its_pooling_gives_no_maps() -> None:
    with pytest.raises(OptionError, match=r"efficientvit_b0 gives no maps .*; take another, as resnet18"):
        backbone("efficientvit_b0")


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "ghostnet_050"])
def test_layers_between_maps_and_classifier_are_none_of_a_backbone(name: str) -> None:
    net = build(BackboneNet(backbone=name, size=48), 7, pretrained=True)
    trunk, images = net.get_submodule("trunk"), torch.rand(2, 3, 48, 48)
    whole = timm.create_model(name)
    whole.load_state_dict(trunk.state_dict(), strict=False)
    torch.testing.assert_close(trunk.eval()(images), whole.eval().forward_features(images))
    net(images)["logits"].sum().backward()
    assert [key for key, value in net.named_parameters() if value.grad is None] == []
    again = copy.deepcopy(net)  # as the running average of weights does
    with torch.no_grad():
        again.get_submodule("trunk").conv_stem.weight.zero_()  # type: ignore[union-attr,operator]
    assert not torch.equal(again.get_submodule("trunk")(images), trunk(images))


def test_every_kind_of_net_says_so_before_it_learns_and_an_old_one_is_built_as_it_was() -> None:
    with pytest.raises(OptionError, match=r"net\.resolution=16: backbone test_convnext"):
        build(DanNet(backbone=CONVNEXT, resolution=16), 7, pretrained=True)
    with pytest.raises(OptionError, match=r"net\.size=16"):
        wheel_net(WheelNet(backbone=CONVNEXT, weights="none", size=16), EKMAN6, pretrained=True)
    with pytest.raises(OptionError, match=r"net\.size=16"):
        group_net(SceneNet(size=16, scene=Trunk(backbone=CONVNEXT, weights="none")), 3, pretrained=True)
    assert build(BackboneNet(backbone=CONVNEXT, size=16), 7) is not None


def test_an_option_that_a_backbone_has_not_is_named() -> None:
    with pytest.raises(OptionError, match=r"net\.drop_path=0\.1: densenet121 has no such option"):
        build(BackboneNet(backbone="densenet121", drop_path=0.1), 7)
