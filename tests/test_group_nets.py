"""What holds for every net of groups, and what single ones are."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from emolens.errors import ModelError, OptionError
from emolens.learn.config.group import (
    CrossVit,
    FaceSetNet,
    FaceTrunk,
    GroupNet,
    HybridNet,
    PixelCrossVitNet,
    SceneNet,
    Trunk,
)
from emolens.learn.export_group import write_group_onnx
from emolens.learn.losses import soft_cross_entropy
from emolens.learn.nets.crossvit import CrossViT
from emolens.learn.nets.group import group_net
from emolens.learn.nets.hybrid import FaceAttention
from emolens.learn.nets.sphereface import SphereFace20
from emolens.learn.tasks.group import face_loss

SIDE, PLACES = 32, 4
DENSE = Trunk(options=("growth_rate=8", "block_config=[1, 1, 1, 1]"), weights="none")
FACES = FaceTrunk(widths=(4, 8, 8, 16), embed=16, height=28, limit=PLACES)
SHAPE = CrossVit(depth=1, faces=1, scene=1, cross=1, heads=2, head_width=8, hidden=32)


def hybrid(**settings: object) -> HybridNet:
    return HybridNet(size=SIDE, scene=DENSE, faces=FACES, width=16, crossvit=SHAPE).model_copy(update=settings)


TINY: dict[str, GroupNet] = {
    "scene": SceneNet(size=SIDE, scene=DENSE),
    "resnet18": SceneNet(size=SIDE, scene=Trunk(backbone="resnet18", options=("channels=[8, 8, 16, 16]",))),
    "efficientnet": SceneNet(size=SIDE, scene=Trunk(backbone="test_efficientnet"), dropout=0.5, pixels="unit"),
    "face_set": FaceSetNet(size=SIDE, faces=FACES),
    "hybrid": hybrid(),
    "attention_a": hybrid(fusion="dot"),
    "attention_b": hybrid(fusion="narrow"),
    "attention_c": hybrid(fusion="score"),
    "grid": hybrid(tokens="grid"),
    "frozen": hybrid(scene_gradient="frozen"),
    "detached": hybrid(scene_gradient="detached"),
    "pixel_crossvit": PixelCrossVitNet(size=SIDE, faces=FACES, width=16, crossvit=SHAPE),
}
HELD = {"frozen": "scene.", "detached": "scene."}
"""What is not to learn, by the beginning of its names."""
EXEMPT = ("fused.heads.0.1.bias", "fused.heads.1.1.bias")
"""Biases of a CrossViT before the normalisation of a hybrid, which takes them out again, as in the source."""


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(config: GroupNet) -> nn.Module:
    torch.manual_seed(0)
    return group_net(config, 3)


def groups(config: GroupNet, n: int = 6, places: int = PLACES) -> dict[str, Tensor]:
    """Pictures, and sets of 1, 2, ... faces; the last picture has none."""
    chance = torch.Generator().manual_seed(1)
    found = {
        "image": torch.rand(n, 3, SIDE, SIDE, generator=chance) * 255,
        "faces": torch.rand(n, places, 3, 112, 96, generator=chance) * 255,
        "mask": torch.arange(places)[None] < torch.tensor([1 + at % PLACES for at in range(n - 1)] + [0])[:, None],
    }
    found["faces"] = found["faces"] * found["mask"][:, :, None, None, None]
    return {name: found[name] for name in config.inputs}


def settled(config: GroupNet) -> nn.Module:
    """A net in evaluation mode whose running statistics have seen pictures."""
    net = made(config)
    for _ in range(20):
        net(**groups(config))
    return net.eval()


def test_every_net_of_the_registry_is_held_to_the_contract() -> None:
    union = get_args(get_args(GroupNet)[0])
    assert {net.model_fields["name"].default for net in union} == {net.name for net in TINY.values()}


def test_a_net_gives_logits_and_features(name: str) -> None:
    found = made(TINY[name])(**groups(TINY[name]))
    assert found["logits"].shape == (6, 3)
    assert found["features"].ndim == 2
    assert set(found) <= {"logits", "features", "heads", "attention", "values", "map"}
    assert all(torch.isfinite(value).all() for value in found.values())


def test_every_parameter_moves_within_two_steps(name: str) -> None:
    net = made(TINY[name]).train()
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    moved = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        moved.zero_grad()
        soft_cross_entropy(net(**groups(TINY[name]))["logits"], torch.eye(3)[torch.arange(6) % 3]).backward()
        moved.step()
    still = {key for key, value in net.named_parameters() if torch.equal(value, before[key])}
    held = {key for key in before if name in HELD and key.startswith(HELD[name])}
    assert held <= still
    assert still - held - (set() if name == "pixel_crossvit" else set(EXEMPT)) == set()


def test_saved_and_loaded_it_answers_the_same(name: str, tmp_path: Path) -> None:
    net = settled(TINY[name])
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = group_net(TINY[name], 3)
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    wanted = net(**groups(TINY[name]))["logits"]
    torch.testing.assert_close(again.eval()(**groups(TINY[name]))["logits"], wanted, atol=0, rtol=0)


def test_answers_do_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    net, given = settled(TINY[name]), groups(TINY[name])
    alone = [net(**{key: value[at : at + 1] for key, value in given.items()})["logits"] for at in range(6)]
    torch.testing.assert_close(net(**given)["logits"], torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_what_lies_in_empty_places_changes_nothing(name: str) -> None:
    config = TINY[name]
    if "faces" not in config.inputs:
        pytest.skip("looks at no faces")
    net, given = settled(config), groups(config)
    wanted = net(**given)["logits"]
    empty = ~given["mask"][:, :, None, None, None]
    noise = given | {"faces": given["faces"] + empty * torch.rand_like(given["faces"]) * 255}
    torch.testing.assert_close(net(**noise)["logits"], wanted, atol=1e-5, rtol=1e-5)
    more = PLACES + 3
    wider = {key: nn.functional.pad(value, (0, 0) * (value.ndim - 2) + (0, 3)) for key, value in given.items()
             if key != "image"}  # fmt: skip
    assert wider["mask"].shape == (6, more)
    if name != "pixel_crossvit":
        torch.testing.assert_close(net(**given | wider)["logits"], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", ["as_faces", "repeated"])
@pytest.mark.parametrize("kind", ["face_set", "hybrid", "attention_a", "pixel_crossvit"])
def test_the_faults_of_the_sources_let_empty_places_count(kind: str, padding: str) -> None:
    config = TINY[kind]
    legacy = config.model_copy(update={"faces": FACES.model_copy(update={"padding": padding})})
    masked, net, given = settled(config), settled(legacy), groups(config)
    net.load_state_dict(masked.state_dict())
    there = [masked(**given)["logits"], net(**given)["logits"]]
    some = given["mask"].all(dim=1)
    torch.testing.assert_close(there[0][some], there[1][some])  # where no place is empty both agree
    apart = (there[0] - there[1]).abs().amax(dim=1)
    if padding == "as_faces":
        assert (apart[~some] > 1e-4).all()
    else:  # faces over again are the same mean where they come out even
        assert apart[~some].max() > 1e-4


@pytest.mark.parametrize("kind", ["scene", "face_set", "hybrid", "attention_b", "pixel_crossvit"])  # seconds each
def test_the_exported_net_answers_alike(kind: str, tmp_path: Path) -> None:
    config = TINY[kind]
    net, given = settled(config), groups(config)
    write_group_onnx(net, config, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert tuple(each.name for each in session.get_inputs()) == config.inputs
    for rows in (slice(0, 6), slice(0, 1), slice(5, 6)):  # the last has no face
        asked = {key: value[rows] for key, value in given.items()}
        found = torch.from_numpy(session.run(["logits"], {key: value.numpy() for key, value in asked.items()})[0])
        assert (found.softmax(1) - net(**asked)["logits"].softmax(1)).abs().max() < 1e-4


# --- SphereFace ---------------------------------------------------------------------------------------------------


def test_sphereface_has_the_layers_of_sphere20a() -> None:
    net = SphereFace20()
    names = list(net.state_dict())
    counts = [sum(key.startswith(f"conv{stage}_") and key.endswith("weight") for key in names) for stage in range(1, 5)]
    assert counts == [3, 5, 9, 3]  # twenty with fc5
    assert net.state_dict()["fc5.weight"].shape == (512, 512 * 7 * 6)
    assert net.state_dict()["relu3_9.weight"].shape == (256,)
    transposed = SphereFace20(transposed=True)
    assert transposed.side == (96, 112)
    assert transposed.state_dict()["fc5.weight"].shape == (512, 512 * 6 * 7)  # which is why it fits at all


def test_the_published_weights_fit_and_the_people_are_left_out(tmp_path: Path) -> None:
    given = SphereFace20(FACES.widths, FACES.embed, FACES.height)
    torch.save(given.state_dict() | {"fc6.weight": torch.zeros(16, 10574)}, tmp_path / "sphere20a.pth")
    config = FaceSetNet(faces=FACES.model_copy(update={"weights": str(tmp_path / "sphere20a.pth")}))
    net = group_net(config, 3, pretrained=True)
    torch.testing.assert_close(net.faces.conv3_4.weight, given.conv3_4.weight)
    wider = config.model_copy(update={"faces": config.faces.model_copy(update={"widths": (4, 8, 8, 32)})})
    with pytest.raises(ModelError, match=r"first conv4_1\.weight; it is not sphere20a"):
        group_net(wider, 3, pretrained=True)
    missing = config.model_copy(update={"faces": FACES.model_copy(update={"weights": "none.pth"})})
    with pytest.raises(ModelError, match="no such file; give sphere20a"):
        group_net(missing, 3, pretrained=True)


def test_sphereface_sees_blue_green_red_from_minus_one_to_one() -> None:
    net = SphereFace20(FACES.widths, FACES.embed, 28)
    red = torch.tensor([255.0, 127.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 28, 24)
    torch.testing.assert_close(net._as_trained(red)[0, :, 0, 0], torch.tensor([-127.5, 0.0, 127.5]) / 128)
    legacy = SphereFace20(FACES.widths, FACES.embed, 28, transposed=True)
    torch.testing.assert_close(legacy._as_trained(red)[0, :, 0, 0], torch.tensor([1.0, 0.5, 0.0]))


def test_the_label_of_a_set_is_the_mean_of_what_its_faces_say() -> None:
    net, given = settled(TINY["face_set"]), groups(TINY["face_set"])
    found = net(**given)
    for at in range(5):
        wanted = found["heads"][at, given["mask"][at]].mean(dim=0)
        torch.testing.assert_close(found["logits"][at], wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["logits"][5], net.head.bias)  # nobody


def test_the_loss_of_each_face_counts_faces_not_pictures() -> None:
    heads = torch.zeros(2, 2, 3)
    heads[0, 1, 0] = 100.0  # an empty place
    mask = torch.tensor([[True, False], [True, True]])
    loss = face_loss(heads, torch.eye(3)[:2], mask)
    assert float(loss) == pytest.approx(float(torch.log(torch.tensor(3.0))))


# --- CrossViT and attention ---------------------------------------------------------------------------------------


def test_crossvit_has_the_size_of_its_source() -> None:
    net = CrossViT(256, 15, CrossVit())
    assert sum(p.numel() for p in net.blocks.parameters()) == pytest.approx(39.9e6, abs=5e4)
    assert net.faces.positions.shape == (1, 17, 256)
    assert net.scene.positions.shape == (1, 2, 256)


def test_what_is_kept_outside_is_neither_trained_nor_stored() -> None:
    net = made(hybrid(registered=False)).train()
    assert not any(key.startswith(("fused", "_outside")) for key in [*net.state_dict(), *dict(net.named_parameters())])
    before = {key: value.clone() for key, value in net.fusion.state_dict().items()}
    moved = torch.optim.SGD(net.parameters(), lr=0.1)
    soft_cross_entropy(net(**groups(TINY["hybrid"]))["logits"], torch.eye(3)[torch.arange(6) % 3]).backward()
    moved.step()
    assert all(torch.equal(value, before[key]) for key, value in net.fusion.state_dict().items())
    again = made(hybrid(registered=False))  # every load draws the same
    torch.testing.assert_close(again.fusion.state_dict(), before)
    assert any(p.grad is not None and bool(p.grad.any()) for p in net.narrow_faces.parameters())  # passes through it


@pytest.mark.parametrize(("gradient", "drifts"), [("trained", True), ("detached", True), ("frozen", False)])
def test_statistics_of_the_scene_stay_only_where_it_is_frozen(gradient: str, drifts: bool) -> None:
    net = made(hybrid(scene_gradient=gradient)).train()
    norm = next(module for module in net.scene.modules() if isinstance(module, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    net(**groups(TINY["hybrid"]))
    assert torch.equal(norm.running_mean, before) is not drifts


def test_attention_is_a_softmax_of_products_by_hand() -> None:
    net = FaceAttention("dot", 2)
    faces = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    fused, weights = net(faces, torch.tensor([[1.0, 1.0]]), torch.tensor([[True, True, False]]))
    share = torch.tensor([1.0, 2.0]).softmax(0)
    torch.testing.assert_close(weights, torch.tensor([[share[0], share[1], 0.0]]))
    torch.testing.assert_close(fused, torch.tensor([[share[0], 2 * share[1]]]))
    nobody, none = net(faces, torch.ones(1, 2), torch.zeros(1, 3, dtype=torch.bool))
    assert not nobody.any()
    assert not none.any()


def test_the_wrong_reshape_mixes_faces_with_channels() -> None:
    faces, scene = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), torch.tensor([[1.0, 0.0, 0.0]])
    there = torch.ones(1, 2, dtype=torch.bool)
    right, wrong = FaceAttention("dot", 3)._scores(faces, scene), FaceAttention("dot", 3, True)._scores(faces, scene)
    assert right.tolist() == [[1.0, 4.0]]  # the first channel of each face
    assert wrong.tolist() == [[1.0, 2.0]]  # two channels of the first face
    assert FaceAttention("dot", 3, True)(faces, scene, there)[0].shape == (1, 3)


def test_nothing_learns_through_weights_that_are_detached() -> None:
    for detached in (False, True):
        net = FaceAttention("score", 4, detached=detached)
        fused, _ = net(torch.rand(2, 3, 4), torch.rand(2, 4), torch.ones(2, 3, dtype=torch.bool))
        assert (fused.requires_grad and True) is not detached


def test_options_that_a_backbone_has_not_are_named() -> None:
    with pytest.raises(OptionError, match="options stem_width_of=9 of densenet161"):
        group_net(SceneNet(scene=Trunk(options=("stem_width_of=9",), weights="none")), 3)
    with pytest.raises(ValueError, match="needs the form name=JSON"):
        Trunk(options=("growth_rate",))
