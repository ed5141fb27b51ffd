"""The output that tells what each place brought: against the chain rule by torch, by hand, and by symmetry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from emolens.errors import ModelError
from emolens.models.card import EVIDENCE, ModelCard
from emolens.models.classifier import Classifier
from emolens.models.evidence import add_evidence, insert_evidence, middle_places
from emolens.places import sha256
from fakes import evoked_model
from fakes_maps import CLASSES, SIZE, statistics_model, statistics_weights


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def evidence(path: Path, frames: np.ndarray) -> np.ndarray:
    return Classifier.load(path).answers(frames, (EVIDENCE,))[EVIDENCE]


def test_the_answer_stays_the_same_to_the_bit(tmp_path, frames):
    plain = statistics_model(tmp_path / "plain.onnx", traced=False)
    card = add_evidence(plain, tmp_path / "traced.onnx")
    before, after = Classifier.load(plain), Classifier.load(tmp_path / "traced.onnx")
    np.testing.assert_array_equal(before.logits(frames), after.logits(frames))
    assert card.sha256 == sha256(tmp_path / "traced.onnx") == ModelCard.read(tmp_path / "traced.json").sha256
    assert after.answers(frames, (EVIDENCE,))[EVIDENCE].shape == (3, CLASSES, 8, 8)


@pytest.mark.parametrize("middle", [False, True])
def test_it_is_the_chain_rule(tmp_path, frames, middle):
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    path = statistics_model(tmp_path / "net.onnx", middle=middle)
    w = {name: torch.from_numpy(value) for name, value in statistics_weights().items()}
    card = ModelCard.read(path.with_suffix(".json"))
    images = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - card.mean[0]) / card.std[0]

    def places(views):
        """What each place brings to each logit of one view: the gradient by each layer's places, times these."""
        fine = functional.relu(functional.conv2d(views, w["fine"], stride=2))
        layers = [functional.relu(functional.conv2d(fine, w["coarse"], stride=2)).detach(), fine.detach()]
        means = [layer.mean(dim=(2, 3)) for layer in layers]
        squares = [((layer**2).mean(dim=(2, 3)) + 1e-6).sqrt() for layer in layers]
        pooled = torch.cat([part for pair in zip(means, squares, strict=True) for part in pair], 1).requires_grad_()
        normal = (pooled - w["mean"]) / (w["variance"] + 1e-5).sqrt() * w["scale"] + w["shift"]
        hidden = functional.gelu(functional.linear(normal, w["first"], w["first_bias"]))
        logits = functional.linear(hidden, w["last"], w["last_bias"])
        slopes = torch.stack([torch.autograd.grad(logits[:, k].sum(), pooled, retain_graph=True)[0]
                              for k in range(CLASSES)], dim=1)  # fmt: skip
        found, start = [], 0
        for layer, square in zip(layers, squares, strict=True):
            by_mean, by_square = slopes[:, :, start:].split(layer.shape[1], dim=2)[:2]
            brought = torch.einsum("nkc,nchw->nkhw", by_mean, layer)
            brought = brought + torch.einsum("nkc,nchw->nkhw", by_square / square[:, None], layer**2)
            found.append(functional.interpolate(brought, (8, 8), mode="bilinear", align_corners=False))
            start += 2 * layer.shape[1]
        return sum(found)

    edge = SIZE // 4
    near = functional.interpolate(images[..., edge:-edge, edge:-edge], scale_factor=2, mode="bilinear")
    back = places((near if middle else images).flip(-1)).flip(-1)
    if middle:  # two by two of its places are one of the picture's, all of them in its middle
        back = functional.pad(4 * functional.avg_pool2d(back, 2), (2, 2, 2, 2))
    wanted = (places(images) + back) / 2
    np.testing.assert_allclose(evidence(path, frames), wanted.detach().numpy(), rtol=1e-3, atol=1e-3)


def test_the_middle_is_put_back_whole_and_in_the_middle():
    places = middle_places(4, 0.75)  # cells of three sixteenths, from two sixteenths on, into cells of four
    wanted = [[2 / 3, 0, 0, 0], [1 / 3, 1, 0, 0], [0, 0, 1, 1 / 3], [0, 0, 0, 2 / 3]]
    np.testing.assert_allclose(places, wanted, atol=1e-6)
    np.testing.assert_allclose(middle_places(16, 0.75).sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(middle_places(8, 1), np.eye(8))


def test_a_mirrored_picture_has_the_mirrored_evidence(tmp_path, frames):
    path = statistics_model(tmp_path / "net.onnx")
    mirrored = np.ascontiguousarray(frames[:, :, ::-1])
    np.testing.assert_allclose(evidence(path, mirrored), evidence(path, frames)[..., ::-1], rtol=1e-4, atol=1e-4)


def test_a_second_time_changes_nothing(tmp_path):
    path = statistics_model(tmp_path / "net.onnx")
    before = path.read_bytes()
    add_evidence(path, path)
    assert path.read_bytes() == before


def test_a_model_that_rests_on_no_statistics_is_refused_and_left_as_it_was(tmp_path):
    path = evoked_model(tmp_path / "linear.onnx")
    before = path.read_bytes()
    with pytest.raises(ModelError, match=r"can be traced to places.*it has no map"):
        add_evidence(path, path)
    assert path.read_bytes() == before


def test_a_model_of_pictures_of_any_size_is_refused(tmp_path):
    path = statistics_model(tmp_path / "plain.onnx", traced=False)
    whole = onnx.load(str(path))
    for side in whole.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = "side"
    with pytest.raises(ModelError, match="the size of its layers is free"):
        insert_evidence(whole)


def test_the_shipped_model_is_traced():
    from emolens.models.catalogue import ASSETS

    outputs = {each.name for each in onnx.load(str(ASSETS / "evoked_emotion6.onnx")).graph.output}
    assert EVIDENCE in outputs
    assert (ASSETS / "evoked_emotion6.onnx").stat().st_size <= 6_000_000
