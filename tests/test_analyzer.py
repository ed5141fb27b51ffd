import gc
import itertools
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import emolens
from emolens.analyzer import Analyzer, analyze
from emolens.errors import CardError, ModelError, NotFound, OptionError, UnknownName, Unreadable
from emolens.faces.detector import FixedDetector
from emolens.models.classifier import softmax
from emolens.pictures.decoding import decode_ahead
from emolens.records import Face, GroupAffect, PhotoResult, Prediction
from emolens.taxonomy import GROUP3
from fakes import linear_card, linear_model, linear_weights

LEFT, RIGHT = (np.array(box, np.float32) for box in ([10, 10, 40, 45], [60, 20, 100, 65]))
TWO_FACES = FixedDetector([Face(LEFT, 0.99), Face(RIGHT, 0.8)])


class FacesBySize(FixedDetector):
    """As many faces as the picture is hundreds of pixels wide, so that pictures of a batch differ."""

    def detect(self, image):
        return self.faces[: image.shape[1] // 100]


BY_SIZE = FacesBySize([Face(LEFT + 3 * k, 0.9 - k / 10) for k in range(3)])


@pytest.fixture
def model(tmp_path) -> Path:
    return linear_model(tmp_path / "linear.onnx")


def picture(width=120, height=90, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_same(ours: PhotoResult, theirs: PhotoResult) -> None:
    assert (ours.status, ours.size, len(ours.faces)) == (theirs.status, theirs.size, len(theirs.faces))
    for one, other in zip(ours.expressions, theirs.expressions, strict=True):
        np.testing.assert_allclose(one.distribution, other.distribution, atol=1e-5)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    if ours.group is not None and theirs.group is not None:
        np.testing.assert_allclose(ours.group.prediction.distribution, theirs.group.prediction.distribution, atol=1e-5)
    assert (ours.group is None) == (theirs.group is None)


def test_each_face_and_the_group_are_in_the_result(model):
    result = Analyzer(detector=TWO_FACES, models=[model]).analyze(picture())
    assert (result.status, result.size, result.detector, result.source) == ("ok", (120, 90), "fixed", "array")
    assert [p.face for p in result.expressions] == list(result.faces)
    assert {p.task for p in result.expressions} == {"expression"}
    assert result.expressions[0].model == "linear"
    assert len(result.expressions[0].model_sha) == 64
    assert result.group.prediction.model == "weighted_faces"
    assert sum(result.group.contributions) == pytest.approx(1)


def test_no_face_is_an_answer_and_not_a_whole_picture_as_a_face(model):
    result = Analyzer(detector=FixedDetector(), models=[model]).analyze(picture())
    assert (result.status, result.faces, result.expressions, result.group) == ("no_face", (), (), None)


def test_a_whole_picture_as_a_face_by_hand(model):
    grey = picture(16, 16)[..., :1].repeat(3, axis=2)  # grey and of the net's size: nothing is left to resample
    result = Analyzer(whole_image=True, models=[model]).analyze(grey)
    assert result.faces[0].box.tolist() == [0, 0, 16, 16]
    assert result.detector == "whole_image"
    weight, bias = linear_weights(linear_card())
    logits = (grey[..., 0].reshape(1, -1) - 127.5) / 64 @ weight + bias
    np.testing.assert_allclose(result.expressions[0].distribution, softmax(logits / 0.5)[0], atol=1e-4)
    assert result.expressions[0].confidence == pytest.approx(float(softmax(logits / 2).max()), abs=1e-4)


def test_red_stays_red_from_the_picture_to_the_net(tmp_path):
    model = linear_model(tmp_path / "rgb.onnx", linear_card(colour="rgb"))
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 255
    analyzer = Analyzer(whole_image=True, models=[model])
    weight, bias = linear_weights(linear_card(colour="rgb"))
    planes = (np.full((3, 16, 16), [[[255]], [[0]], [[0]]]) - 127.5) / 64
    expected = softmax((planes.reshape(1, -1) @ weight + bias) / 0.5)[0]
    Image.fromarray(red).save(tmp_path / "red.png")
    for source in (red, Image.fromarray(red), tmp_path / "red.png", (tmp_path / "red.png").read_bytes()):
        np.testing.assert_allclose(analyzer.analyze(source).expressions[0].distribution, expected, atol=1e-4)
    swapped = analyzer.analyze(red[..., ::-1]).expressions[0].distribution
    assert np.abs(swapped - expected).max() > 1e-3


def test_many_pictures_give_what_each_gives_alone(model):
    sources = [picture(width, 90, seed) for seed, width in enumerate((120, 240, 90, 330, 120, 50, 260))]
    analyzer = Analyzer(detector=BY_SIZE, models=[model], batch_size=3)
    alone = [analyzer.analyze(source) for source in sources]
    assert [len(result.faces) for result in alone] == [1, 2, 0, 3, 1, 0, 2]
    for batch_size in (1, 2, 3, 100):
        together = Analyzer(detector=BY_SIZE, models=[model], batch_size=batch_size).analyze_many(sources)
        for ours, theirs in zip(together, alone, strict=True):
            assert_same(ours, theirs)


def test_a_bad_picture_is_a_row_an_exception_or_left_out(model, tmp_path):
    absent, empty, text = (tmp_path / name for name in ("absent.jpg", "empty.jpg", "text.jpg"))
    empty.touch()
    text.write_text("no picture")
    sources = [picture(), absent, empty, picture(1, 1), picture(), text]
    analyzer = Analyzer(detector=TWO_FACES, models=[model])
    recorded = list(analyzer.analyze_many(sources))
    assert [r.status for r in recorded] == ["ok", "not_found", "unreadable", "too_small", "ok", "unreadable"]
    assert "absent.jpg" in recorded[1].message
    assert recorded[1].source.endswith("absent.jpg")
    assert not recorded[1].faces
    assert [r.status for r in analyzer.analyze_many(sources, "skip")] == ["ok", "ok"]
    results = analyzer.analyze_many(sources, "raise")
    assert next(results).status == "ok"  # what came before the bad one is out first
    with pytest.raises(NotFound):
        next(results)
    with pytest.raises(Unreadable):
        analyzer.analyze(sources[2])
    assert analyzer.analyze(sources[2], on_error="record").status == "unreadable"


def test_only_what_was_asked_for_is_in_the_result(model):
    faces = Analyzer("expression", TWO_FACES, [model]).analyze(picture())
    assert faces.expressions
    assert faces.group is None
    group = Analyzer(["group"], TWO_FACES, [model]).analyze(picture())
    assert group.expressions == ()
    assert group.group is not None
    both = Analyzer("group, expression", TWO_FACES, [model]).analyze(picture())
    assert_same(both, Analyzer(None, TWO_FACES, [model]).analyze(picture()))


def test_what_is_below_the_threshold_is_abstained(model):
    sure = Analyzer(detector=TWO_FACES, models=[model]).analyze(picture())
    confidences = [p.confidence for p in sure.expressions]
    between = sum(confidences) / 2
    unsure = Analyzer(detector=TWO_FACES, models=[model], abstain_below=between).analyze(picture())
    assert [p.abstained for p in unsure.expressions] == [c < between for c in confidences]
    assert sorted(p.abstained for p in unsure.expressions) == [False, True]
    never = Analyzer(detector=TWO_FACES, models=[model], abstain_below=1.0).analyze(picture())
    assert never.group.prediction.abstained
    assert not any(p.abstained for p in sure.expressions)


def test_small_faces_are_left_out(model):
    result = Analyzer(detector=TWO_FACES, models=[model], min_face=35).analyze(picture())
    assert [face.box.tolist() for face in result.faces] == [RIGHT.tolist()]
    assert Analyzer(detector=TWO_FACES, models=[model], min_face=60).analyze(picture()).status == "no_face"


def test_faces_with_a_low_score_are_left_out(model):
    for least, boxes in ((0.8, [LEFT, RIGHT]), (0.81, [LEFT]), (1, [])):
        result = Analyzer(detector=TWO_FACES, models=[model], min_score=least).analyze(picture())
        assert [face.box.tolist() for face in result.faces] == [box.tolist() for box in boxes]
        assert len(result.expressions) == len(boxes)
    assert result.status == "no_face"
    assert len(analyze(picture(), detector=TWO_FACES, models=[model], min_score=0.9).faces) == 1
    assert Analyzer(whole_image=True, models=[model], min_score=1).analyze(picture()).faces  # nothing was detected


def test_what_is_known_is_what_can_be_asked_for():
    with pytest.raises(UnknownName, match=r"Known: evoked, expression, group, stimuli$"):
        Analyzer("emotions")


def test_another_group_model_takes_its_place(model):
    def gloomy(predictions, faces, size):
        assert size == (120, 90)
        prediction = Prediction("group", GROUP3, np.array([1, 0, 0], np.float32), 1.0, "gloomy")
        return GroupAffect(prediction, (0.5, 0.5))

    result = Analyzer(detector=TWO_FACES, models=[model], group=gloomy).analyze(picture())
    assert result.group.prediction.model == "gloomy"


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"tasks": ["expresion"]}, UnknownName, "Did you mean 'expression'"),
        ({"tasks": "stimuly"}, UnknownName, "Did you mean 'stimuli'"),
        ({"tasks": []}, OptionError, "no task"),
        ({"abstain_below": 1.5}, OptionError, "from 0 to 1"),
        ({"abstain_below": float("nan")}, OptionError, "from 0 to 1"),
        ({"min_face": 0}, OptionError, "min_face"),
        ({"min_score": 2}, OptionError, "min_score is 2, needs a number from 0 to 1"),
        ({"batch_size": 0}, OptionError, "batch_size"),
        ({"detector": None}, OptionError, "detector is NoneType"),
    ],
)
def test_options_that_are_not_allowed(model, options, error, reason):
    with pytest.raises(error, match=reason):
        Analyzer(**{"detector": TWO_FACES, "models": [model], **options})


def test_on_error_is_checked_at_the_call_and_not_at_the_first_result(model):
    analyzer = Analyzer(detector=TWO_FACES, models=[model])
    with pytest.raises(OptionError, match="record, raise, skip"):
        analyzer.analyze_many([], "ignore")
    with pytest.raises(OptionError, match="skip"):
        analyzer.analyze(picture(), "skip")


def test_models_are_placed_by_the_task_of_their_card(model, tmp_path):
    with pytest.raises(OptionError, match="two models for task 'expression', one is allowed"):
        Analyzer(detector=TWO_FACES, models=[model, model])
    with pytest.raises(CardError, match=r"takes frames .*; its card states no inputs"):  # a group is not one frame
        Analyzer(detector=TWO_FACES, models=[linear_model(tmp_path / "s.onnx", linear_card(task="group"))])
    with pytest.raises(OptionError, match=r"linear.onnx is for task 'expression', which is not asked for \(evoked\)"):
        Analyzer("evoked", models=[model])
    with pytest.raises(ModelError, match="absent"):
        Analyzer(detector=TWO_FACES, models=[tmp_path / "absent.onnx"])
    bare = linear_model(tmp_path / "bare.onnx", linear_card(framing=None))
    with pytest.raises(CardError, match="framing"):
        Analyzer(detector=TWO_FACES, models=[bare])
    assert Analyzer(whole_image=True, models=[bare]).analyze(picture()).ok


def test_labels_without_polarity_leave_the_group_out_unless_it_is_asked_for(tmp_path):
    own = linear_model(tmp_path / "own.onnx", linear_card(labels=("bored", "happy"), taxonomy="mine"))
    result = Analyzer(detector=TWO_FACES, models=[own]).analyze(picture())
    assert result.expressions
    assert result.group is None
    with pytest.raises(OptionError, match="bored"):
        Analyzer("group", TWO_FACES, [own])


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("emolens-decode")]


def test_an_iterator_closed_early_stops_its_threads_and_its_reading(model):
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield picture()

    results = Analyzer(detector=TWO_FACES, models=[model], batch_size=2).analyze_many(endless())
    assert taken == []  # nothing is read before the first result is asked for
    for _ in range(4):
        next(results)
    assert len(taken) < 12
    results.close()
    reading = len(taken)
    until = time.monotonic() + 5
    while decoders() and time.monotonic() < until:
        time.sleep(0.01)
    assert not decoders()
    assert len(taken) == reading


def test_pictures_are_decoded_ahead_in_order(tmp_path):
    gate = threading.Event()

    def sources():
        yield tmp_path / "0.jpg"
        gate.set()
        yield from (tmp_path / f"{k}.jpg" for k in range(1, 9))

    decoded = decode_ahead(sources())
    assert next(decoded)[0].endswith("0.jpg")
    assert gate.is_set()
    assert [name[-5] for name, _ in decoded] == list("12345678")


def test_memory_does_not_grow_with_the_number_of_pictures(model):
    analyzer = Analyzer(detector=TWO_FACES, models=[model], batch_size=2)

    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        for _ in analyzer.analyze_many(picture(400, 300, seed % 2) for seed in range(count)):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(8)
    assert peak(48) < 1.5 * peak(12)  # 48 pictures at once would be four times as much


def test_many_threads_may_share_one_analyzer(model):
    analyzer = Analyzer(detector=BY_SIZE, models=[model])
    sources = [picture(100 * (1 + k % 3), 90, k) for k in range(8)]
    alone = [analyzer.analyze(source) for source in sources]
    with ThreadPoolExecutor(4) as pool:
        for ours, theirs in zip(pool.map(analyzer.analyze, sources), alone, strict=True):
            assert_same(ours, theirs)


def test_the_function_keeps_its_analyzer(model, monkeypatch):
    made = []
    original = Analyzer.__init__

    def counting(self, *args, **options):
        made.append(self)
        original(self, *args, **options)

    monkeypatch.setattr(Analyzer, "__init__", counting)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda k: analyze(picture(seed=k), detector=TWO_FACES, models=[model]), range(8)))
    assert len(made) == 1
    assert all(len(result.expressions) == 2 for result in results)
    analyze(picture(), detector=TWO_FACES, models=[str(model)], tasks=["expression"])
    assert len(made) == 2
    with pytest.raises(NotFound):
        analyze(model.parent / "absent.jpg", detector=TWO_FACES, models=[model])


def test_a_detector_that_cannot_be_a_key_is_not_kept(model):
    class Unhashable(FixedDetector):
        __hash__ = None

    detector = Unhashable(TWO_FACES.faces)
    assert len(analyze(picture(), detector=detector, models=model).faces) == 2


def test_public_names_resolve():
    assert set(emolens.__all__) <= set(dir(emolens))
    for name in emolens.__all__:
        assert getattr(emolens, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = emolens.analyse


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(m for m in sys.modules if '.' not in m))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return set(run.stdout.split())


def test_importing_emolens_loads_nothing_heavy():
    heavy = {"torch", "matplotlib", "cv2", "onnxruntime", "onnx", "PIL", "numpy", "pydantic"}
    assert not loaded_after("import emolens") & heavy
    assert not loaded_after("from emolens import Analyzer") & {"torch", "matplotlib", "cv2", "typer", "rich"}


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


def test_a_real_photo_from_file_to_rows(model, astronaut, tmp_path):
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    result = Analyzer("expression,group", models=[model]).analyze(tmp_path / "astronaut.png")
    assert (result.status, result.size, result.detector) == ("ok", (512, 512), "mtcnn")
    x1, y1, x2, y2 = result.faces[0].box
    assert x1 < 225 < x2  # her nose, read off the picture
    assert y1 < 125 < y2
    assert result.faces[0].landmarks is not None
    rows = emolens.rows(result)
    assert [row["target"] for row in rows] == ["face"] * len(result.faces) + ["group"]
    assert rows[0]["p_happiness"] == pytest.approx(result.expressions[0].probability("joy"), abs=1e-6)


def test_real_photos_together_are_what_each_is_alone(model, astronaut):
    pictures = [astronaut, astronaut[40:340, 60:400], np.zeros((80, 300, 3), np.uint8), astronaut[:, ::-1], astronaut]
    analyzer = Analyzer(models=[model], batch_size=3)
    results = list(analyzer.analyze_many(pictures))
    assert results[2].status == "no_face"
    for together, one in zip(results, map(analyzer.analyze, pictures), strict=True):
        assert_same(together, one)


def test_the_shipped_model_sees_the_astronaut_smile(astronaut):
    result = emolens.analyze(astronaut)
    assert result.expressions[0].label == "happiness"
    assert result.expressions[0].confidence > 0.8
    assert result.group.prediction.label == "positive"
    mirrored = emolens.analyze(astronaut[:, ::-1])
    assert mirrored.expressions[0].label == "happiness"
    small = emolens.analyze(Image.fromarray(astronaut).resize((256, 256)))
    assert small.expressions[0].label == "happiness"


def test_one_name_in_place_of_many_is_refused(model):
    with pytest.raises(OptionError, match="give a list"):
        Analyzer(models=model, whole_image=True).analyze_many("photo.jpg")
