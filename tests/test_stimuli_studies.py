"""Studies of stimuli maps, on worlds where the answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emolens.data.drawn_emotionroi import draw_emotionroi
from emolens.data.mapped import MappedPictures
from emolens.data.prepare import prepare
from emolens.data.splits import stratified_folds
from emolens.errors import OptionError, OutputError
from emolens.learn.studies import Effort, map_to_emotion, stimuli_condition, study
from emolens.learn.studies.label_swap import embedding_distances, swap_labels
from emolens.learn.studies.map_to_emotion import Answers, answers, judged, shuffled
from emolens.taxonomy import EKMAN6

N, K, SIDE = 24, 6, 12
EMOTION = np.arange(N) % K


def spots(places: np.ndarray) -> np.ndarray:
    """Maps (..., SIDE, SIDE), bright in the column `places` (...)."""
    return (np.arange(SIDE)[None] == np.asarray(places)[..., None, None]).astype(np.float32) * np.ones((SIDE, 1))


def test_maps_that_follow_the_label_are_told_from_those_that_do_not() -> None:
    chance = np.random.default_rng(0)
    of_picture = chance.integers(0, SIDE, N)
    truth = spots(EMOTION * 2)
    follows = swap_labels(spots(np.broadcast_to(np.arange(K) * 2, (N, K))), truth, EMOTION)
    stays = swap_labels(spots(np.broadcast_to(of_picture[:, None], (N, K))), spots(of_picture), EMOTION)
    assert follows.follows
    assert follows.own.value == pytest.approx(1)
    assert follows.moved.value == pytest.approx(2 / SIDE)
    assert follows.other.value == pytest.approx(-1 / (SIDE - 1))  # of two columns of which one is bright
    assert not stays.follows
    assert stays.moved.value == stays.gain.value == stays.share == 0
    assert stays.between.value > 0
    np.testing.assert_allclose(np.diag(follows.cc), 1)
    np.testing.assert_allclose(follows.mae, 2 / SIDE * (1 - np.eye(K)), atol=1e-12)


def test_embedding_distances_are_those_of_scipy() -> None:
    from scipy.spatial.distance import cdist

    rows = np.random.default_rng(0).normal(size=(6, 5))
    found = embedding_distances(rows)
    np.testing.assert_allclose(found["l1"], cdist(rows, rows, "cityblock") / 5, atol=1e-12)
    np.testing.assert_allclose(found["l2"], cdist(rows, rows), atol=1e-12)
    np.testing.assert_allclose(found["cosine"], cdist(rows, rows, "cosine"), atol=1e-12)
    np.testing.assert_allclose(found["absolute cosine"], 1 - np.abs(1 - found["cosine"]), atol=1e-12)
    opposite = embedding_distances(np.array([[1.0, 0], [-1, 0]]))
    assert (opposite["cosine"][0, 1], opposite["absolute cosine"][0, 1]) == (2, 0)


def rows(maps: np.ndarray) -> MappedPictures:
    images = np.zeros((N, SIDE, SIDE, 3), np.uint8)
    return MappedPictures(np.arange(N).astype(str), images, maps, EMOTION, EKMAN6, "all")


def test_chance_is_told_from_what_is_more() -> None:
    folds = stratified_folds(EMOTION.tolist(), 4)
    held = rows(np.zeros((N, SIDE, SIDE), np.uint8))
    right = judged(Answers(EMOTION[None], np.ones((1, 4))), held, folds, Effort(seeds=1))
    assert right["accuracy"]["value"] == 1
    assert right["p_value"] < 0.001
    guessed = judged(Answers(np.zeros((1, N), int), np.ones((1, 4))), held, folds, Effort(seeds=1))
    assert guessed["accuracy"]["value"] == pytest.approx(1 / K)
    assert guessed["p_value"] == 1  # one answer for all hits a sixth under any order of the labels
    null = shuffled(np.random.default_rng(1).integers(0, K, (2, N)), EMOTION, folds, 2000)
    assert null.mean() == pytest.approx(1 / K, abs=0.01)


def test_a_net_tells_emotions_that_lie_at_their_own_places() -> None:
    torch.set_num_threads(1)
    maps = (255 * spots(EMOTION * 2)).astype(np.uint8).repeat(3, axis=1).repeat(3, axis=2)
    folds = stratified_folds(EMOTION.tolist(), 2)
    said: list[str] = []
    found = answers(rows(maps), folds, Effort(seeds=1, epochs=2), said.append, "test_resnet")
    assert found.held_out.shape == (1, N)
    assert set(np.unique(found.held_out)) <= set(range(K))
    assert len(said) == 2


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_emotionroi(tmp_path_factory.mktemp("roi") / "drawn", "picture", 6, 32)
    prepare("emotionroi", root, root.parent / "prepared")
    return root.parent / "prepared"


def test_the_study_of_the_label_writes_its_figures_and_its_page(prepared: Path, tmp_path: Path) -> None:
    settings = ("net.size=32", "net.backbone=test_efficientnet", "net.weights=none", "net.hidden=4", "optim.batch=8",
                "data.folds=2", "optim.warmup_epochs=0")  # fmt: skip
    said: list[str] = []
    effort = Effort(seeds=1, epochs=1, settings=settings)
    page = study("stimuli_condition").run(prepared, tmp_path / "out", effort, said.append)
    results = json.loads((page.parent / "results.json").read_text())
    assert [one["told"] for one in results["arms"]] == list(stimuli_condition.ARMS)
    for one in results["arms"]:
        assert len(one["pairs"]) == K * (K - 1) // 2
        assert np.array(one["embedding_distances"]["cosine"]).shape == (K, K)
        assert one["moved"]["low"] <= one["moved"]["value"] <= one["moved"]["high"]
    assert {path.name for path in page.parent.iterdir()} == {
        "index.html", "results.json", "pairs.png", "embeddings.png", "examples.png", "runs"
    }  # fmt: skip
    assert "follow" in page.read_text()
    again = (page.parent / "runs" / "film-0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    study("stimuli_condition").run(prepared, tmp_path / "out", effort, said.append)  # what was trained is kept
    assert (page.parent / "runs" / "film-0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == again
    with pytest.raises(OutputError, match="film-0: holds a run with other settings; name another --out"):
        study("stimuli_condition").run(prepared, tmp_path / "out", replace(effort, epochs=2), said.append)


@pytest.mark.parametrize("own", ["seed=9", "optim.epochs=5", "net.condition=none", "net.embedding=3"])
def test_what_the_study_decides_on_is_no_setting_of_it(own: str, prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"--set {own}: .* is the study's own"):
        study("stimuli_condition").run(prepared, tmp_path / "out", Effort(1, 1, False, (own,)), lambda _: None)
    assert not (tmp_path / "out").exists()


def test_the_study_of_the_map_alone_writes_its_figures_and_its_page(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_to_emotion.answers, "__defaults__", ("test_resnet",))
    page = study("map_to_emotion").run(prepared, tmp_path / "out", Effort(seeds=1, epochs=1), lambda _: None)
    results = json.loads((page.parent / "results.json").read_text())
    assert results["n"] == 36
    assert 0 < results["p_value"] <= 1
    assert results["chance"] == pytest.approx(1 / K, abs=0.02)
    assert {path.name for path in page.parent.iterdir()} == {
        "index.html",
        "results.json",
        "chance.png",
        "confusion.png",
    }
    assert "0.172" in page.read_text()
