"""From evidence to maps, and maps from trained nets: what the analyzer says of them, and how files hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.analyzer import Analyzer
from emolens.errors import CardError, LabelError, ModelError, OptionError
from emolens.faces.detector import FixedDetector
from emolens.maps import read_map, write_map
from emolens.models.map_net import MapNet
from emolens.records import Face, StimuliMap
from emolens.stimuli import evidence_maps, refined, towards_middle
from emolens.tables import nested, rows
from emolens.taxonomy import EMOTION6
from fakes import evoked_model, linear_model
from fakes_maps import map_model, statistics_model


def picture(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def bright_right(width: int = 40, height: int = 20) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image


# --- the record -------------------------------------------------------------------------------------------------------


def test_where_the_weight_lies_by_hand():
    seen = np.zeros((2, 4), np.float32)
    seen[0, 0], seen[0, 3] = 0.5, 0.5
    found = StimuliMap(seen, (40, 20), "net")  # a place is 10 x 10 pixels
    assert found.centre == pytest.approx((20, 5))
    assert found.spread == pytest.approx(15)
    left = Face(np.array([0, 0, 12, 20], np.float32), 0.9)
    assert found.share_on([left]) == pytest.approx(0.5)
    assert found.share_on([left, left]) == pytest.approx(0.5)  # what two boxes share counts once
    assert found.share_on([]) == 0
    assert found.weights.shape == (20, 40)


def test_an_empty_map_has_no_centre():
    found = StimuliMap(np.zeros((4, 4), np.float32), (8, 8), "net")
    assert (found.centre, found.spread, found.share_on([])) == (None, None, 0)


def test_maps_that_are_alike_are_one_map():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    noise = np.random.default_rng(0).random((7, 8, 8), np.float32)
    same = StimuliMap(ramp, (8, 8), "net", "", EMOTION6, np.stack([ramp * (0.5 + n / 20) for n in range(7)]))
    other = StimuliMap(ramp, (8, 8), "net", "", EMOTION6, noise)
    assert same.agreement == pytest.approx(1)
    assert same.is_one_map
    wanted = np.corrcoef(noise.reshape(7, -1))[np.triu_indices(7, 1)].mean()
    assert other.agreement == pytest.approx(wanted, abs=1e-6)
    assert not other.is_one_map
    np.testing.assert_array_equal(other.of("joy"), noise[EMOTION6.index("happiness")])


@pytest.mark.parametrize(
    "seen", [np.zeros((4, 4)), np.full((4, 4), 1.5, np.float32), np.full((4, 4), np.nan, np.float32),
             np.zeros((4, 4, 3), np.float32), np.zeros((0, 4), np.float32)]
)  # fmt: skip
def test_what_is_no_map_is_refused_at_birth(seen):
    with pytest.raises(LabelError, match="a map"):
        StimuliMap(seen, (8, 8), "net")


def test_a_map_of_an_emotion_that_was_not_asked_for():
    with pytest.raises(LabelError, match="by_emotion=True"):
        StimuliMap(np.zeros((4, 4), np.float32), (8, 8), "net").of("fear")


# --- from evidence to maps --------------------------------------------------------------------------------------------


def test_what_all_classes_share_says_nothing():
    rng = np.random.default_rng(1)
    evidence, shares = rng.normal(size=(7, 6, 6)), rng.dirichlet(np.ones(7))
    whole, parts = evidence_maps(evidence, shares)
    again, parts_again = evidence_maps(evidence + rng.normal(size=(6, 6)), shares)
    np.testing.assert_allclose(whole, again, atol=1e-12)
    np.testing.assert_allclose(parts, parts_again, atol=1e-12)
    assert np.abs(evidence_maps(evidence, np.full(7, 1 / 7))[0]).max() < 1e-12  # an even answer has no evidence


def test_a_map_is_what_a_place_brought_to_the_odds():
    rng = np.random.default_rng(4)
    evidence, shares = rng.normal(size=(3, 2, 2)), np.array([0.5, 0.3, 0.2])
    whole, parts = evidence_maps(evidence, shares)
    first = evidence[0] - (0.3 * evidence[1] + 0.2 * evidence[2]) / 0.5
    np.testing.assert_allclose(parts[0], first, atol=1e-4)
    np.testing.assert_allclose(whole, (np.array([25, 9, 4])[:, None, None] * parts).sum(axis=0) / 38, atol=1e-4)
    sure, _ = evidence_maps(evidence, np.array([1.0, 0, 0]))  # who is sure has evidence too
    np.testing.assert_allclose(sure, evidence[0] - (evidence[1] + evidence[2]) / 2, atol=1e-4)


def test_a_fine_map_is_scaled_and_a_flat_one_is_empty():
    frame = picture(32, 32)
    found = refined(np.stack([np.random.default_rng(0).normal(size=(4, 4)), np.full((4, 4), 3.0)]), frame)
    assert found.dtype == np.float32
    assert (found[0].min(), found[0].max()) == (0, 1)
    assert not found[1].any()


def test_a_map_leans_to_the_middle_and_an_empty_one_stays_empty():
    edge = np.zeros((41, 41), np.float32)
    edge[20, 0] = 1
    found = towards_middle(edge)  # 1 + .5 exp(-2) at the edge, .5 in the middle, less in the corners
    low, high = (lift + 0.5 * np.exp(-far * (20 / 41) ** 2 / (2 * 0.25**2)) for lift, far in ((0, 2), (1, 1)))
    assert found[20, 20] == pytest.approx((0.5 - low) / (high - low), abs=1e-4)
    assert (found[20, 0], found[0, 0]) == (1, 0)
    assert not towards_middle(np.zeros((5, 5), np.float32)).any()


def test_a_fine_map_ends_where_things_end():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, 36:] = 255  # an edge inside a place of the 4 x 4 grid
    coarse = np.tile(np.array([0.0, 0, 1, 1]), (4, 1))[None]
    sharp, blind = refined(coarse, frame)[0], refined(coarse, np.full_like(frame, 9))[0]
    jump = [float(np.diff(each, axis=1)[:, 35].mean()) for each in (sharp, blind)]
    assert jump[0] > 3 * jump[1] > 0


def test_refinement_is_that_of_another_implementation():
    cv2 = pytest.importorskip("cv2")
    from emolens.stimuli import _window_means

    values = np.random.default_rng(2).random((20, 31), np.float32)
    wanted = cv2.blur(values, (7, 7), borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(_window_means(values, 3), wanted, atol=1e-5)


# --- the analyzer -----------------------------------------------------------------------------------------------------


def test_the_map_of_an_evoked_model(tmp_path):
    model = statistics_model(tmp_path / "net.onnx")
    image = picture()
    found = Analyzer("evoked,stimuli", models=[model], by_emotion=True).analyze(image)
    assert found.stimuli is not None
    assert found.evoked is not None
    assert found.stimuli.weights.shape == image.shape[:2]
    assert found.stimuli.emotions is not None
    assert found.stimuli.emotions.shape == (7, 16, 16)
    alone = Analyzer("stimuli", models=[model]).analyze(image)
    assert alone.evoked is None
    np.testing.assert_allclose(alone.stimuli.seen, found.stimuli.seen, atol=1e-5)
    assert alone.stimuli.emotions is None
    assert Analyzer("evoked", models=[model]).analyze(image).stimuli is None
    np.testing.assert_array_equal(
        Analyzer("evoked", models=[model]).analyze(image).evoked.distribution, found.evoked.distribution
    )


def test_pictures_of_a_batch_keep_their_maps(tmp_path):
    analyzer = Analyzer("stimuli", models=[statistics_model(tmp_path / "net.onnx")], batch_size=3)
    images = [picture(40 + n, 30, seed=n) for n in range(5)]
    for image, found in zip(images, analyzer.analyze_many(images), strict=True):
        np.testing.assert_allclose(found.stimuli.seen, analyzer.analyze(image).stimuli.seen, atol=1e-4)
        assert found.stimuli.size == (image.shape[1], image.shape[0])


def test_a_trained_net_gives_its_own_map(tmp_path):
    found = Analyzer("stimuli", models=[map_model(tmp_path / "fcnel.onnx")], by_emotion=True).analyze(bright_right())
    assert found.stimuli.centre[0] == pytest.approx(30, abs=1)
    assert found.stimuli.emotions is None  # one map is no map of an emotion
    assert found.stimuli.model == "bright"


def test_a_net_with_a_map_for_each_emotion(tmp_path):
    model = map_model(tmp_path / "emofcnel.onnx", maps=7)
    found = Analyzer(models=[model, evoked_model(tmp_path / "evoked.onnx")], detector=FixedDetector([]),
                     by_emotion=True).analyze(np.full((16, 16, 3), 128, np.uint8))  # fmt: skip
    powers = [(128 / 255) ** (n + 1) for n in range(7)]
    np.testing.assert_allclose(found.stimuli.emotions.mean(axis=(1, 2)), powers, atol=1e-5)
    np.testing.assert_allclose(found.stimuli.seen, np.mean(powers), atol=1e-5)
    assert found.evoked.model == "linear_evoked"


def test_models_that_cannot_give_a_map_are_named(tmp_path):
    with pytest.raises(ModelError, match="gives no output 'evidence'"):
        Analyzer("stimuli", models=[evoked_model(tmp_path / "evoked.onnx")])
    with pytest.raises(CardError, match="gives 3 maps, its card names 7 labels"):
        Analyzer("stimuli", models=[map_model(tmp_path / "three.onnx", maps=3)])
    with pytest.raises(CardError, match="picture: 'stretched'"):
        Analyzer("stimuli", models=[map_model(tmp_path / "crop.onnx", picture=None)])
    with pytest.raises(OptionError, match="not asked for"):
        Analyzer("expression", models=[map_model(tmp_path / "map.onnx")])
    logits = linear_model(tmp_path / "logits.onnx")
    with pytest.raises(CardError, match="an output 'map' is needed"):
        MapNet.load(logits)


def test_by_default_no_map_is_made():
    from emolens.choices import checked_tasks

    assert "stimuli" not in checked_tasks(None)
    assert checked_tasks("stimuli,evoked") == ("evoked", "stimuli")


def test_rows_tell_where_the_map_lies(tmp_path):
    model = map_model(tmp_path / "fcnel.onnx")
    face = Face(np.array([20, 0, 40, 20], np.float32), 0.9)
    analyzer = Analyzer("expression,stimuli", FixedDetector([face]), [model, linear_model(tmp_path / "faces.onnx")])
    result = analyzer.analyze(bright_right())
    row = rows(result)[-1]
    assert (row["target"], row["task"], row["status"], row["label"]) == ("image", "stimuli", "ok", None)
    assert row["map_x"] == pytest.approx(30, abs=1)
    assert row["map_on_faces"] > 0.9
    assert row["model"] == "bright"
    told = nested(result)["stimuli"]
    assert told["centre"] == pytest.approx([row["map_x"], row["map_y"]], abs=1e-3)
    assert told["emotions"] == []
    alone = Analyzer("stimuli", models=[model]).analyze(bright_right())
    assert rows(alone)[0]["map_on_faces"] is None  # nobody looked for faces
    assert [row["task"] for row in rows(alone)] == ["stimuli"]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "bits", "step"), [("m.png", 8, 255), ("m.png", 16, 65535), ("m.npy", 32, 1e7)])
def test_a_written_map_is_read_back(tmp_path, name, bits, step):
    weights = np.random.default_rng(0).random((9, 14), np.float32)
    write_map(weights, tmp_path / name, bits)
    assert np.abs(read_map(tmp_path / name) - weights).max() <= 0.5 / step + 1e-6


def test_a_written_map_is_no_photo(tmp_path):
    from emolens.pictures.sources import expand

    write_map(np.zeros((32, 32), np.float32), tmp_path / "a_map.png")
    Image.fromarray(picture()).save(tmp_path / "b.png")
    assert [Path(name).name for name in expand([str(tmp_path)])] == ["b.png"]
