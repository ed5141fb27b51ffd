from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emolens.analyzer import Analyzer
from emolens.errors import CardError, OptionError
from emolens.faces.detector import FixedDetector
from emolens.models.card import Licences, ModelCard
from emolens.models.group_net import GroupNet
from emolens.reading.groups import GroupReader, best_aligned
from emolens.records import Face
from emolens.tables import rows

SIZE = 8


def group_model(path: Path, inputs: tuple[str, ...] = ("image", "faces", "mask"), **changes: object) -> Path:
    """Logits (0, 0, x): x is 10 x the share of faces that are there and, with an image, its mean level / 255."""
    shapes = {"image": ["n", 3, SIZE, SIZE], "faces": ["n", 15, 3, 112, 96], "mask": ["n", 15],
              "skeleton": ["n", 3, SIZE, SIZE]}  # fmt: skip
    nodes, parts = [], []
    if "image" in inputs:
        nodes += [helper.make_node("ReduceMean", ["image", "planes"], ["level"], keepdims=0),
                  helper.make_node("Div", ["level", "most"], ["bright"])]  # fmt: skip
        parts.append("bright")
    if "faces" in inputs:
        nodes += [helper.make_node("ReduceMean", ["faces", "pixels"], ["each"], keepdims=0),
                  helper.make_node("Cast", ["mask"], ["real"], to=TensorProto.FLOAT),
                  helper.make_node("Mul", ["each", "real"], ["kept"]),
                  helper.make_node("ReduceSum", ["kept", "second"], ["sum"], keepdims=0),
                  helper.make_node("Div", ["sum", "many"], ["crowd"])]  # fmt: skip
        parts.append("crowd")
    if "skeleton" in inputs:
        nodes += [helper.make_node("ReduceMean", ["skeleton", "planes"], ["bones"], keepdims=0)]
        parts.append("bones")
    nodes.append(helper.make_node("Sum", parts, ["total"]))
    nodes += [helper.make_node("Unsqueeze", ["total", "second"], ["column"]),
              helper.make_node("Mul", ["column", "row"], ["logits"])]  # fmt: skip
    known = {"planes": np.array([1, 2, 3]), "pixels": np.array([2, 3, 4]), "second": np.array([1]),
             "most": np.array(25.5, np.float32), "many": np.array(255 * 1.5, np.float32),
             "row": np.array([[0, 0, 1]], np.float32)}  # fmt: skip
    kinds = {name: TensorProto.BOOL if name == "mask" else TensorProto.FLOAT for name in inputs}
    graph = helper.make_graph(
        nodes,
        "group",
        [helper.make_tensor_value_info(name, kinds[name], shapes[name]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value, name) for name, value in known.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, path)
    about: dict[str, object] = {
        "name": "crowd", "version": "1", "task": "group", "summary": "s", "labels": ("negative", "neutral", "positive"),
        "taxonomy": "group3", "size": SIZE, "colour": "rgb", "inputs": inputs, "training_data": "none",
        "training": "none", "licences": Licences(code="MIT", data="none", weights="MIT", commercial=True),
    }  # fmt: skip
    ModelCard(**{**about, **changes}).write(path.with_suffix(".json"))  # type: ignore[arg-type]
    return path


def _face(x: float, score: float = 0.9) -> Face:
    points = np.array([[30, 52], [66, 52], [48, 72], [34, 92], [63, 92]], np.float32) * 0.5 + [x, 20]
    return Face(np.array([x + 4, 25, x + 44, 78], np.float32), score, points.astype(np.float32))


def test_a_set_of_faces_has_the_best_first_and_says_which_are_there() -> None:
    picture = np.zeros((120, 400, 3), np.uint8)
    picture[:, 200:] = 250
    frames, mask = best_aligned(picture, [_face(20, 0.5), _face(260, 0.9)])
    assert frames.shape == (15, 112, 96, 3)
    assert mask.tolist() == [True, True, *[False] * 13]
    assert frames[0].mean() > 240  # the face of the higher score lies on the bright side
    assert frames[1].mean() < 10
    many = best_aligned(picture, [_face(10 * k, 0.5 + k / 100) for k in range(20)])
    assert many[1].all()


def test_a_trained_model_takes_the_place_of_the_default(tmp_path: Path) -> None:
    bright = np.full((120, 200, 3), 255, np.uint8)
    path = group_model(tmp_path / "crowd.onnx")
    analyzer = Analyzer("expression,group", FixedDetector([_face(20), _face(100)]), models=[path])
    result = analyzer.analyze(bright)
    assert result.group is not None
    said = result.group.prediction
    # The picture gives 255 / 25.5 = 10, two white faces of fifteen places 2 / 1.5.
    expected = np.exp([0, 0, 10 + 2 / 1.5])
    np.testing.assert_allclose(said.distribution, expected / expected.sum(), rtol=1e-3)
    assert (said.model, said.label, result.group.contributions) == ("crowd", "positive", ())
    assert any(row["task"] == "group" and row["model"] == "crowd" for row in rows(result))
    assert analyzer.models["group"].card.name == "crowd"
    assert analyzer.on_one_core().analyze(bright).group.prediction.label == "positive"  # type: ignore[union-attr]


def test_padding_does_not_change_the_answer(tmp_path: Path) -> None:
    reader = GroupReader(GroupNet.load(group_model(tmp_path / "faces.onnx", ("faces", "mask"))))
    view = dict(reader.look(np.full((120, 200, 3), 200, np.uint8), [_face(20)]) or {})
    (plain,) = reader.read([view])
    view["faces"] = np.where(view["mask"][:, None, None, None], view["faces"], 255).astype(np.uint8)
    (padded,) = reader.read([view])
    assert plain is not None
    assert padded is not None
    np.testing.assert_array_equal(plain.prediction.distribution, padded.prediction.distribution)
    view["mask"] = np.ones(15, bool)
    (unmasked,) = reader.read([view])
    assert unmasked is not None
    assert unmasked.prediction.probability("positive") > plain.prediction.probability("positive") + 0.1


def test_a_picture_without_a_face_is_answered_only_by_a_model_of_scenes(tmp_path: Path) -> None:
    picture = np.full((60, 80, 3), 255, np.uint8)
    faces, scene = (
        Analyzer("group", FixedDetector([]), models=[group_model(tmp_path / f"{name}.onnx", inputs)]).analyze(picture)
        for name, inputs in (("faces", ("faces", "mask")), ("scene", ("image",)))
    )
    assert faces.status == scene.status == "no_face"
    assert faces.group is None
    assert scene.group is not None
    assert scene.group.prediction.label == "positive"


def test_cards_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = group_model(tmp_path / "a.onnx", ("image",))
    card = ModelCard.read(path.with_suffix(".json"))
    card.model_copy(update={"inputs": ("faces", "mask")}).write(path.with_suffix(".json"))
    with pytest.raises(CardError, match=r"takes image tensor.*its card states faces"):
        GroupNet.load(path)
    path = group_model(tmp_path / "b.onnx", ("image",), labels=("negative", "positive"), taxonomy="two")
    with pytest.raises(CardError, match="card names 2 labels"):
        GroupNet.load(path)
    with pytest.raises(OptionError, match="looks at skeletons"):
        Analyzer("group", FixedDetector([]), models=[group_model(tmp_path / "c.onnx", ("skeleton",))])


def test_the_part_of_the_scene_is_checked(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="group_scene is 2"):
        Analyzer("group,evoked", FixedDetector([]), group_scene=2)
    with pytest.raises(OptionError, match="needs the tasks group and evoked"):
        Analyzer("group", FixedDetector([]), group_scene=0.2)
    model = group_model(tmp_path / "m.onnx", ("image",))
    with pytest.raises(OptionError, match="beside a group model"):
        Analyzer("group,evoked", FixedDetector([]), models=[model], group_scene=0.2)
