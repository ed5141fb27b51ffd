from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from emolens.data.pictures import LabelledPictures
from emolens.learn.join import TrunkFile, join, middle_part
from emolens.learn.nets.backbone import backbone
from emolens.learn.nets.side_by_side import SideBySide
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.studies.frozen import Views, varied
from emolens.learn.studies.trunk import looking, normalised, write_trunk
from emolens.models.evidence import insert_evidence
from emolens.models.session import open_session
from emolens.taxonomy import EMOTION6

SIZE = 64


@pytest.fixture(scope="module")
def pictures() -> LabelledPictures:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (6, 4, 4, 3), np.uint8).repeat(SIZE // 4, 1).repeat(SIZE // 4, 2)
    targets = chance.dirichlet(np.ones(7), 6).astype(np.float32)
    ids, values = np.array([f"p{at}" for at in range(6)]), np.full((6, 2), 5, np.float32)
    return LabelledPictures(ids, images, targets, values, targets.argmax(axis=1), EMOTION6, "all")


@pytest.fixture(scope="module")
def trunk() -> SideBySide:
    torch.manual_seed(0)
    found = SideBySide([backbone("tf_efficientnet_lite0"), backbone("tf_efficientnet_lite2")]).eval()
    for part in found.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(part.bias, std=0.3)
    return found


@pytest.fixture(scope="module")
def written(trunk: SideBySide, pictures: LabelledPictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trunk") / "trunk.onnx"
    write_trunk(trunk, pictures, path)
    return path


@pytest.fixture(scope="module")
def joined(written: Path, trunk: SideBySide, pictures: LabelledPictures) -> tuple[Path, WheelHead]:
    torch.manual_seed(1)
    width = looking(written, trunk)(pictures.images[:1]).shape[1]
    head = WheelHead(width, len(EMOTION6), hidden=16).eval()
    path = written.with_name("joined.onnx")
    join(TrunkFile(written, (0.0,) * 3, (1.0,) * 3), head, path)
    return path, head


def test_trunks_side_by_side_see_the_same_picture(trunk: SideBySide) -> None:
    images = torch.rand(2, 3, SIZE, SIZE)
    both = trunk(images)
    assert both.shape == (2, 2560, 2, 2)
    assert trunk.num_features == 2560
    assert torch.equal(both[:, 1280:], trunk.trunks[1](images))


def test_a_joined_file_is_the_head_on_what_the_trunk_tells_of_both_views(
    joined: tuple[Path, WheelHead], written: Path, trunk: SideBySide, pictures: LabelledPictures
) -> None:
    path, head = joined
    look, mirrored = looking(written, trunk), np.ascontiguousarray(pictures.images[:, :, ::-1])
    views = [head(torch.from_numpy(look(images))) for images in (pictures.images, mirrored)]
    logits = torch.stack([each["logits"] for each in views]).mean(dim=0).detach().numpy()
    session = open_session(path)
    assert [each.name for each in session.get_outputs()] == ["logits", "values", "features"]
    found = session.run(None, {"images": normalised(pictures.images, trunk)})
    np.testing.assert_allclose(found[0], logits, atol=0.02)  # the head's weights take eight bits
    assert found[1].shape == (6, 2)
    assert 1 <= found[1].min() <= found[1].max() <= 9
    assert found[2].shape == (6, 2560, 2, 2)
    again = session.run(None, {"images": normalised(mirrored, trunk)})
    np.testing.assert_allclose(again[0], found[0], atol=1e-5)


def test_a_middle_part_has_whole_pixels_and_lies_in_the_middle() -> None:
    assert middle_part(256, 0.75) == (32, 224)
    assert middle_part(256, 1) == (0, 256)
    assert middle_part(65, 0.5) == (16, 49)


def test_the_second_view_may_be_the_middle_of_the_picture(
    joined: tuple[Path, WheelHead], written: Path, trunk: SideBySide, pictures: LabelledPictures, tmp_path: Path
) -> None:
    head, path = joined[1], tmp_path / "near.onnx"
    join(TrunkFile(written, (0.0,) * 3, (1.0,) * 3, 0.75), head, path)
    shown = {"images": normalised(pictures.images, trunk)}
    part = torch.from_numpy(shown["images"])[..., 8:56, 8:56]
    near = functional.interpolate(part, (SIZE, SIZE), mode="bilinear").flip(-1).numpy()
    told = [open_session(written).run(["pooled"], {"images": images})[0] for images in (shown["images"], near)]
    logits = torch.stack([head(torch.from_numpy(each))["logits"] for each in told]).mean(dim=0).detach().numpy()
    found = open_session(path).run(None, shown)[0]
    np.testing.assert_allclose(found, logits, atol=0.02)  # the head's weights take eight bits
    assert np.abs(found - open_session(joined[0]).run(None, shown)[0]).max() > 0.05
    whole = onnx.load(str(path))
    insert_evidence(whole)
    onnx.checker.check_model(whole)
    evidence = open_session(whole.SerializeToString()).run(["evidence"], shown)[0]
    assert evidence.shape == (6, 7, 4, 4)
    taught = [varied(image, 1, Views(middle=0.75), np.random.default_rng(0)) for image in pictures.images]
    scale = np.ptp(shown["images"]) / np.ptp(pictures.images)  # of a level; heads are taught on whole levels
    np.testing.assert_allclose(normalised(np.stack(taught), trunk), near, atol=1.01 * scale)


@pytest.mark.parametrize("side", [65, 254])
def test_the_middle_is_enlarged_to_whole_pixels_of_any_size(side: int, tmp_path: Path) -> None:
    node, free = helper.make_node, ["n", 3, side, side]
    nodes = [node("ReduceMean", ["images", "places"], ["pooled"], keepdims=0), node("Identity", ["images"], ["maps"])]
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("images", free), ("pooled", ["n", 3]), ("maps", free))]  # fmt: skip
    places = numpy_helper.from_array(np.array([2, 3], np.int64), "places")
    graph = helper.make_graph(nodes, "means", told[:1], told[1:], [places])
    trunk, path = tmp_path / "means.onnx", tmp_path / "joined.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), str(trunk))
    torch.manual_seed(0)
    head, images = WheelHead(3, 7, hidden=4).eval(), torch.rand(2, 3, side, side)
    join(TrunkFile(trunk, (0.0,) * 3, (1.0,) * 3, 0.75), head, path)
    start, end = middle_part(side, 0.75)
    images[..., start:end, start:end] += 3
    near = functional.interpolate(images[..., start:end, start:end], (side, side), mode="bilinear")
    wanted = sum(head(view.mean(dim=(2, 3)))["logits"] for view in (images, near)) / 2
    found = open_session(path).run(["logits"], {"images": images.numpy()})[0]
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=0.02)  # the head's weights take eight bits


def test_a_joined_file_can_be_traced(
    joined: tuple[Path, WheelHead], trunk: SideBySide, pictures: LabelledPictures
) -> None:
    whole = onnx.load(str(joined[0]))
    insert_evidence(whole)
    onnx.checker.check_model(whole)
    evidence = open_session(whole.SerializeToString()).run(["evidence"], {"images": normalised(pictures.images, trunk)})
    assert evidence[0].shape == (6, 7, 4, 4)
    assert np.isfinite(evidence[0]).all()
    assert evidence[0].std() > 0
