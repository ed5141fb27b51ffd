"""What a picture evokes, from the file of a model to rows: beside faces, without them, and alone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens import choices
from emolens.analyzer import Analyzer
from emolens.errors import CardError, LabelError, ModelError, OptionError
from emolens.faces.detector import FixedDetector
from emolens.models import catalogue
from emolens.models.classifier import softmax
from emolens.records import Face, FrameResult, PhotoResult, Prediction
from emolens.tables import COLUMNS, nested, rows
from emolens.taxonomy import EMOTION6
from emolens.writers import open_writer
from fakes import evoked_card, evoked_model, linear_card, linear_model, linear_weights

ONE_FACE = FixedDetector([Face(np.array([10, 10, 40, 45], np.float32), 0.9)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return evoked_model(tmp_path / "evoked.onnx")


@pytest.fixture
def both(model: Path) -> list[Path]:
    return [model, linear_model(model.parent / "faces.onnx")]


def picture(width: int = 120, height: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def said(**changes: object) -> Prediction:
    shares = np.array([0.05, 0.05, 0.1, 0.5, 0.05, 0.1, 0.15], np.float32)
    fields = {"valence": 6.5, "arousal": 4.25, **changes}
    return Prediction("evoked", EMOTION6, shares, 0.5, "net", model_sha="cd" * 32, **fields)


def plain(red: int, green: int, blue: int, width: int = 30, height: int = 20) -> np.ndarray:
    return np.full((height, width, 3), (red, green, blue), np.uint8)


# --- from a picture to an answer -------------------------------------------------------------------------------------


def test_a_picture_by_hand(model: Path) -> None:
    image = picture(16, 16)  # of the net's size: nothing is left to resample
    result = Analyzer("evoked", models=[model]).analyze(image)
    weight, bias = linear_weights(evoked_card())
    logits = (image.transpose(2, 0, 1).reshape(1, -1) - 127.5) / 64 @ weight + bias
    evoked = result.evoked
    assert evoked is not None
    np.testing.assert_allclose(evoked.distribution, softmax(logits / 0.5)[0], atol=1e-4)
    assert evoked.confidence == pytest.approx(float(softmax(logits / 2).max()), abs=1e-4)
    means = (image.reshape(-1, 3).mean(axis=0) - 127.5) / 64
    assert evoked.valence == pytest.approx(5 + means[0], abs=1e-4)
    assert evoked.arousal == pytest.approx(5 - means[2], abs=1e-4)
    assert (evoked.task, evoked.taxonomy, evoked.model, len(evoked.model_sha)) == (
        "evoked", EMOTION6, "linear_evoked", 64)  # fmt: skip


def test_red_is_red_and_blue_is_blue(model: Path) -> None:
    analyzer = Analyzer("evoked", models=[model])
    red, blue = (analyzer.analyze(plain(*colour)).evoked for colour in ((255, 0, 0), (0, 0, 255)))
    assert red is not None
    assert blue is not None
    assert red.valence == pytest.approx(5 + 127.5 / 64, abs=1e-3)
    assert blue.valence == pytest.approx(5 - 127.5 / 64, abs=1e-3)
    assert red.arousal == pytest.approx(5 + 127.5 / 64, abs=1e-3)


def test_the_whole_picture_counts_whatever_its_shape(model: Path) -> None:
    # Left half red, right half black: stretched to a square, half of what the net sees is red.
    analyzer = Analyzer("evoked", models=[model])
    for width, height in ((16, 400), (400, 16), (64, 64), (3000, 20)):
        image = np.zeros((height, width, 3), np.uint8)
        image[:, : width // 2, 0] = 255
        evoked = analyzer.analyze(image).evoked
        assert evoked is not None
        assert evoked.valence == pytest.approx(5, abs=0.05)


def test_values_over_the_end_of_the_scale_are_its_end(tmp_path: Path) -> None:
    card = evoked_card(std=(1.0,))
    evoked = Analyzer("evoked", models=[evoked_model(tmp_path / "far.onnx", card)]).analyze(plain(255, 0, 255)).evoked
    assert evoked is not None
    assert (evoked.valence, evoked.arousal) == (9.0, 1.0)


def test_a_model_without_values_says_none(tmp_path: Path) -> None:
    bare = linear_model(tmp_path / "bare.onnx", evoked_card())
    evoked = Analyzer("evoked", models=[bare]).analyze(picture()).evoked
    assert evoked is not None
    assert (evoked.valence, evoked.arousal) == (None, None)
    (row,) = rows(PhotoResult("a", "ok", (9, 9), evoked=evoked))
    assert (row["valence"], row["arousal"]) == (None, None)


def test_beside_faces_and_without_them(both: list[Path]) -> None:
    seen = Analyzer("expression,group,evoked", ONE_FACE, both).analyze(picture())
    assert (seen.status, seen.detector, len(seen.faces), len(seen.expressions)) == ("ok", "fixed", 1, 1)
    assert seen.group is not None
    assert seen.evoked is not None
    empty = Analyzer("expression,evoked", FixedDetector(), both).analyze(picture())
    assert (empty.status, empty.detector, empty.faces) == ("no_face", "fixed", ())
    assert empty.evoked is not None
    np.testing.assert_array_equal(empty.evoked.distribution, seen.evoked.distribution)  # faces do not move it


def test_alone_it_looks_for_no_face_and_loads_nothing_for_them(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise AssertionError("a detector was loaded")

    monkeypatch.setattr("emolens.faces.load_detector", none)
    analyzer = Analyzer("evoked", "mtcnn", [model])
    result = analyzer.analyze(picture())
    assert (result.status, result.detector, result.faces, result.expressions) == ("ok", "", (), ())
    assert analyzer.detector is None
    assert list(analyzer.models) == ["evoked"]
    assert analyzer.classes == EMOTION6.classes


def test_alone_it_loads_neither_the_cascade_nor_what_builds_its_graphs(model: Path) -> None:
    code = (
        "import sys; from emolens import Analyzer; import numpy as np;"
        f"Analyzer('evoked', models=[{str(model)!r}]).analyze(np.zeros((40, 40, 3), np.uint8));"
        "print(*{'onnx', 'torch', 'matplotlib', 'emolens.faces.mtcnn', 'emolens.drawing.photo'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_pictures_together_are_what_each_is_alone(both: list[Path]) -> None:
    sources = [picture(60 + 20 * seed, 90, seed) for seed in range(7)]
    analyzer = Analyzer("expression,evoked", ONE_FACE, both, batch_size=3)
    runs: list[int] = []
    answers = analyzer.models["evoked"].answers
    analyzer.models["evoked"].answers = lambda frames, *rest: (runs.append(len(frames)), answers(frames, *rest))[1]
    together = list(analyzer.analyze_many([*sources[:2], b"no picture", *sources[2:]]))
    assert runs == [2, 3, 2]
    assert [result.status for result in together] == ["ok", "ok", "unreadable", *["ok"] * 5]
    for result, source in zip([*together[:2], *together[3:]], sources, strict=True):
        alone = analyzer.analyze(source)
        np.testing.assert_allclose(result.evoked.distribution, alone.evoked.distribution, atol=1e-5)
        assert result.evoked.valence == pytest.approx(alone.evoked.valence, abs=1e-5)


def test_faces_that_are_known_and_frames_of_a_video(both: list[Path]) -> None:
    frames = [picture(seed=seed) for seed in range(3)]
    analyzer = Analyzer("expression,evoked", FixedDetector(), both)
    found = analyzer.analyze_found(frames, [ONE_FACE.faces, [], ONE_FACE.faces], "film")
    assert [(len(one.faces), one.status) for one in found] == [(1, "ok"), (0, "no_face"), (1, "ok")]
    for frame, one in zip(frames, found, strict=True):
        np.testing.assert_allclose(one.evoked.distribution, analyzer.analyze(frame).evoked.distribution, atol=1e-5)
    alone = Analyzer("evoked", models=both[:1])
    assert alone.find(frames) == [[], [], []]
    assert [one.status for one in alone.analyze_found(frames, [[], [], []])] == ["ok"] * 3
    told = {field.name: getattr(found[0], field.name) for field in dataclasses.fields(PhotoResult)}
    assert FrameResult(**told, frame=3, time_s=0.1).evoked is found[0].evoked


def test_what_is_below_the_threshold_is_abstained(model: Path) -> None:
    sure = Analyzer("evoked", models=[model], abstain_below=0.0).analyze(picture()).evoked
    unsure = Analyzer("evoked", models=[model], abstain_below=1.0).analyze(picture()).evoked
    assert sure is not None
    assert unsure is not None
    assert (sure.abstained, unsure.abstained) == (False, True)
    (row,) = rows(PhotoResult("a", "ok", (9, 9), evoked=unsure))
    assert (row["status"], row["label"], row["valence"]) == ("abstained", None, unsure.valence)


def test_whole_image_is_about_faces_only(both: list[Path]) -> None:
    image = picture(50, 40)
    result = Analyzer("expression,evoked", models=both, whole_image=True).analyze(image)
    assert len(result.expressions) == 1
    usual = Analyzer("evoked", models=both[:1]).analyze(image)
    np.testing.assert_array_equal(result.evoked.distribution, usual.evoked.distribution)


# --- what may be asked for -------------------------------------------------------------------------------------------


def test_the_default_is_all_that_applies(both: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    linear_model(assets / "faces.onnx")
    monkeypatch.setattr(catalogue, "ASSETS", assets)
    faces_only, everything = ("expression", "group"), ("expression", "group", "evoked")
    assert Analyzer(detector=ONE_FACE).tasks == faces_only
    with pytest.raises(ModelError, match="no evoked model is inside this emolens"):
        Analyzer("evoked")
    assert Analyzer(detector=ONE_FACE, models=both[:1]).tasks == everything  # one that is named applies
    evoked_model(assets / "evoked.onnx")
    assert Analyzer(detector=ONE_FACE).tasks == everything
    assert Analyzer(detector=ONE_FACE, models=both[1:]).tasks == everything
    assert Analyzer(whole_image=True).tasks == faces_only  # a cropped face is no picture of the kind it learnt from
    assert Analyzer(detector=ONE_FACE, frames=True).tasks == faces_only  # each frame would cost as much as a photo
    assert Analyzer(detector=ONE_FACE, frames=True, models=both[:1]).tasks == everything
    assert Analyzer(detector=ONE_FACE).for_frames().tasks == faces_only
    assert list(Analyzer(detector=ONE_FACE).for_frames().models) == ["expression"]
    assert Analyzer(detector=ONE_FACE, models=both[:1]).for_frames().tasks == everything
    assert Analyzer("evoked").for_frames().tasks == ("evoked",)
    assert choices.checked_tasks("evoked, group") == ("group", "evoked")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"picture": None}, "lacks picture: 'stretched'"), ({"labels": ("a", "b"), "taxonomy": "mine"}, "2 labels")],
)
def test_a_card_that_does_not_serve_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    path = evoked_model(tmp_path / "m.onnx")
    evoked_card(**changes).write(path.with_suffix(".json"))
    with pytest.raises(CardError, match=reason):
        Analyzer("evoked", models=[path])


def test_values_that_are_not_two_are_refused(tmp_path: Path) -> None:
    card = evoked_card()
    three = (np.zeros((3 * card.size**2, 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(CardError, match=r"'values' has shape \(1, 3\).*needs \(1, 2\) \(valence and arousal\)"):
        Analyzer("evoked", models=[linear_model(tmp_path / "m.onnx", card, values=three)])


def test_a_model_for_what_is_not_asked_is_refused(both: list[Path]) -> None:
    with pytest.raises(OptionError, match=r"evoked.onnx is for task 'evoked', which is not asked for \(expression\)"):
        Analyzer("expression", ONE_FACE, both)
    with pytest.raises(OptionError, match="two models for task 'evoked'"):
        Analyzer("evoked", models=both[:1] * 2)
    assert Analyzer("group, evoked", ONE_FACE, both).analyze(picture()).group is not None


# --- records, rows, files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.99, 9.01, float("nan"), -3.0])
def test_valence_and_arousal_are_checked(value: float) -> None:
    for name in ("valence", "arousal"):
        with pytest.raises(LabelError, match=f"{name} is .*from 1 to 9"):
            said(**{name: value})
    assert said(valence=1.0, arousal=9.0).valence == 1
    assert said(valence=None).valence is None


def test_only_what_is_evoked_is_evoked() -> None:
    with pytest.raises(LabelError, match="task 'expression'"):
        PhotoResult("a", "ok", evoked=dataclasses.replace(said(), task="expression"))


def test_one_row_for_the_picture(tmp_path: Path) -> None:
    (row,) = rows(PhotoResult("a", "ok", (9, 9), evoked=said()))
    assert tuple(row) == COLUMNS
    assert (row["target"], row["task"], row["status"], row["label"]) == ("image", "evoked", "ok", "happiness")
    assert (row["valence"], row["arousal"], row["model_sha"], row["face"]) == (6.5, 4.25, "cd" * 32, None)
    assert row["p_happiness"] == pytest.approx(0.5)
    assert row["p_contempt"] is None
    with open_writer(tmp_path / "r.csv", classes=EMOTION6.classes) as writer:
        writer.write(PhotoResult("a", "ok", (9, 9), evoked=said()))
    header, line = (tmp_path / "r.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS)  # the columns of every other run
    assert ",6.5,4.25,,,,,net," in line


def test_no_face_stays_an_answer_of_its_own() -> None:
    nobody, evoked = rows(PhotoResult("a", "no_face", (9, 9), detector="mtcnn", evoked=said()))
    assert (nobody["target"], nobody["task"], nobody["status"], nobody["valence"]) == ("image", None, "no_face", None)
    assert (evoked["target"], evoked["task"], evoked["status"]) == ("image", "evoked", "ok")


def test_the_record_has_it_too() -> None:
    record = nested(PhotoResult("a", "no_face", (9, 9), evoked=said()))
    assert record["status"] == "no_face"
    assert record["evoked"]["label"] == "happiness"
    assert (record["evoked"]["valence"], record["evoked"]["arousal"]) == (6.5, 4.25)
    assert record["evoked"]["distribution"]["happiness"] == 0.5
    assert record["models"] == {"net": {"task": "evoked", "sha256": "cd" * 32}}
    assert nested(PhotoResult("a", "ok", (9, 9)))["evoked"] is None


def test_the_same_answer_from_a_file_and_from_its_pixels(model: Path, tmp_path: Path) -> None:
    image = picture(300, 200)
    Image.fromarray(image).save(tmp_path / "a.png")
    analyzer = Analyzer("evoked", models=[model])
    one, other = analyzer.analyze(tmp_path / "a.png").evoked, analyzer.analyze(image).evoked
    np.testing.assert_array_equal(one.distribution, other.distribution)


def test_a_net_of_one_picture_at_a_time(tmp_path: Path) -> None:
    alone = linear_model(tmp_path / "alone.onnx", evoked_card(), batch=1)
    analyzer = Analyzer("evoked", models=[alone])
    results = list(analyzer.analyze_many([picture(seed=1), picture(seed=2)]))
    assert results[0].evoked.distribution.tolist() != results[1].evoked.distribution.tolist()
    assert linear_card().picture is None  # faces are framed
