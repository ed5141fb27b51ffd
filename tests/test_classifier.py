from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from emolens.errors import CardError, ChecksumError, ModelError
from emolens.models.classifier import Classifier, softmax
from emolens.models.session import open_session
from emolens.places import sha256
from emolens.taxonomy import FERPLUS
from fakes import evoked_model, linear_card, linear_model, linear_weights, noise


def by_hand(pictures: np.ndarray, card, temperature: float) -> np.ndarray:
    weight, bias = linear_weights(card)
    planes = pictures[:, None] if card.colour == "grey" else np.moveaxis(pictures, 3, 1)
    mean, std = np.reshape(card.mean, (-1, 1, 1)), np.reshape(card.std, (-1, 1, 1))
    logits = ((planes.astype(float) - mean) / std).reshape(len(pictures), -1) @ weight + bias
    powers = np.exp(logits / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_two_temperatures_are_kept_apart(tmp_path):
    card = linear_card()
    distribution, confidence = Classifier.load(linear_model(tmp_path / "m.onnx")).predict(noise(5))
    np.testing.assert_allclose(distribution, by_hand(noise(5), card, 0.5), atol=1e-5)
    np.testing.assert_allclose(confidence, by_hand(noise(5), card, 2.0).max(axis=1), atol=1e-5)
    assert distribution.dtype == confidence.dtype == np.float32


def test_rgb_frames_keep_their_colour_order(tmp_path):
    card = linear_card(colour="rgb", mean=(120.0, 110.0, 100.0), std=(60.0, 61.0, 62.0))
    model = Classifier.load(linear_model(tmp_path / "m.onnx", card))
    pictures = noise(3, colours=3)
    np.testing.assert_allclose(model.predict(pictures)[0], by_hand(pictures, card, 0.5), atol=1e-5)
    swapped = model.predict(pictures[..., ::-1])[0]
    assert np.abs(swapped - model.predict(pictures)[0]).max() > 1e-3


@pytest.mark.parametrize("batch", ["n", 1])
def test_the_batch_size_does_not_change_the_answer(tmp_path, batch):
    model = Classifier.load(linear_model(tmp_path / "m.onnx", batch=batch))
    whole = model.predict(noise(7), batch_size=7)
    for batch_size in (1, 2, 3, 100):
        for ours, theirs in zip(model.predict(noise(7), batch_size), whole, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_several_outputs_come_from_one_run(tmp_path):
    model = Classifier.load(evoked_model(tmp_path / "m.onnx"))
    assert model.outputs == ("logits", "values")
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    found = model.answers(frames, ("values", "logits"), batch_size=2)
    np.testing.assert_allclose(found["logits"], model.logits(frames), atol=1e-5)
    np.testing.assert_allclose(found["values"][:, 0], 5 + (frames[..., 0].mean(axis=(1, 2)) - 127.5) / 64, atol=1e-4)
    for ours, theirs in zip(model.judged(found["logits"]), model.predict(frames), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_no_frames_give_no_rows(tmp_path):
    distribution, confidence = Classifier.load(linear_model(tmp_path / "m.onnx")).predict(noise(0))
    assert distribution.shape == (0, 8)
    assert confidence.shape == (0,)


def test_one_session_serves_many_threads(tmp_path):
    model = Classifier.load(linear_model(tmp_path / "m.onnx"))
    alone = model.predict(noise(9))[0]
    with ThreadPoolExecutor(4) as pool:
        for distribution, _ in pool.map(lambda _: model.predict(noise(9), 2), range(20)):
            np.testing.assert_allclose(distribution, alone, atol=1e-6)


def test_a_card_inside_the_file_serves_as_well_as_one_beside_it(tmp_path):
    path = linear_model(tmp_path / "moved.onnx", inside=True)
    assert not path.with_suffix(".json").exists()
    model = Classifier.load(path)
    assert model.card == linear_card()
    assert model.sha256 == sha256(path)
    assert model.sha == model.sha256[:12]


def test_a_model_without_a_card_is_refused_with_the_way_to_one(tmp_path):
    path = linear_model(tmp_path / "m.onnx")
    path.with_suffix(".json").unlink()
    with pytest.raises(CardError, match="emolens export"):
        Classifier.load(path)


def test_other_bytes_than_the_card_states_are_refused(tmp_path):
    path = linear_model(tmp_path / "m.onnx")
    linear_card(sha256=sha256(path)).write(path.with_suffix(".json"))
    Classifier.load(path)
    linear_card(sha256="0" * 64).write(path.with_suffix(".json"))
    with pytest.raises(ChecksumError, match="000000000000"):
        Classifier.load(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": ("anger", "happiness"), "taxonomy": "mine"}, "2 labels"),
        ({"size": 20}, "20, 20"),
        ({"colour": "rgb"}, r"\(N, 3, 16, 16\)"),
        ({"mean": (1.0, 2.0)}, "mean and std"),
        ({"labels": ("joy", "happy"), "taxonomy": "mine"}, "distinct"),
    ],
)
def test_a_card_of_another_model_is_refused(tmp_path, changes, reason):
    path = linear_model(tmp_path / "m.onnx")
    linear_card(**changes).write(path.with_suffix(".json"))
    with pytest.raises(CardError, match=reason):
        Classifier.load(path)


def test_what_is_no_model_is_refused_in_one_line(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"this is no model")
    for path in (tmp_path / "no.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(ModelError, match=path.name) as caught:
            Classifier.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="bytes given"):
        open_session(b"nor is this")


def test_softmax_stands_large_logits():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]])


def test_labels_that_were_shuffled_beside_the_file_are_refused(tmp_path):
    path = linear_model(tmp_path / "m.onnx", inside=True)
    linear_card(summary="Said in other words.").write(path.with_suffix(".json"))
    Classifier.load(path)
    linear_card(labels=FERPLUS.classes[::-1]).write(path.with_suffix(".json"))
    with pytest.raises(CardError, match="differ in labels"):
        Classifier.load(path)
