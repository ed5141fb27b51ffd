"""The stand-in for EmotionROI: its own layout, and a truth that is where it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.data.drawn_emotionroi import COLOURS, FOLDERS, draw_emotionroi
from emolens.data.emotionroi import READERS
from emolens.errors import OptionError, OutputError
from emolens.evaluation.map_storing import lies

EACH, SIDE = 5, 64


@pytest.fixture(scope="module", params=["picture", "label"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    kind = str(request.param)
    return kind, draw_emotionroi(tmp_path_factory.mktemp("drawn") / kind, kind, EACH, SIDE)


def test_the_reader_of_emotionroi_reads_it(archive: tuple[str, Path]) -> None:
    records = list(READERS["emotionroi"].read(archive[1]))
    assert len(records) == len(FOLDERS) * EACH
    assert sum(record.split == "test" for record in records) == len(FOLDERS) * 1  # 30 % of 5, to the nearest
    assert {record.label for record in records} == {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}
    for record in records[::7]:
        truth = record.open_map()
        assert truth is not None
        assert truth.shape == record.open().shape[:2]
        assert truth.max() > 0.8
        assert truth[truth > 0.03].size < 0.35 * truth.size


def test_the_map_lies_on_a_thing_in_colour(archive: tuple[str, Path]) -> None:
    """Under `label` it has the colour of the label; under `picture` any, as likely for one label as for another."""
    kind, root = archive
    right = []
    for record in READERS["emotionroi"].read(root):
        picture, truth = record.open().astype(float), record.open_map()
        assert truth is not None
        inside = picture[truth > 0.8]
        vivid = inside[np.ptp(inside, axis=1) > 70]
        assert len(vivid) > 0.2 * len(inside)
        distances = np.abs(np.array(COLOURS) - np.median(vivid, axis=0)).sum(axis=1)
        right.append(int(distances.argmin()) == record.taxonomy.index(record.label or ""))
        outside = picture[truth < 0.01]
        assert (np.ptp(outside, axis=1) > 70).mean() < (0.02 if kind == "picture" else 0.25)
    assert np.mean(right) > 0.9 if kind == "label" else np.mean(right) < 0.5


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    one, other, third = (
        draw_emotionroi(tmp_path / name, "label", 4, 32, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    for name in ("images/joy/1.jpg", "ground_truth/joy/1.jpg", "training_testing_split/testing.txt"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert (one / "images/joy/1.jpg").read_bytes() != (third / "images/joy/1.jpg").read_bytes()


def test_what_cannot_be_drawn_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    for wrong in ({"kind": "both"}, {"each": 3}, {"side": 16}):
        with pytest.raises(OptionError):
            draw_emotionroi(tmp_path / "new", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="holds something"):
        draw_emotionroi(tmp_path / "full")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_where_the_weight_of_a_map_lies() -> None:
    weights = np.zeros((10, 20), np.float32)
    weights[2:4, 10:20] = 0.5
    x, y, spread = lies(weights)
    assert (x, y) == (pytest.approx(0.75), pytest.approx(0.3))
    assert spread == pytest.approx(np.sqrt((10**2 - 1) / 12 / 20**2 + (2**2 - 1) / 12 / 10**2))  # of even steps
    assert lies(np.zeros((4, 4), np.float32))[:2] == (pytest.approx(0.5), pytest.approx(0.5))


def test_jpeg_keeps_maps_grey(archive: tuple[str, Path]) -> None:
    with Image.open(archive[1] / "ground_truth" / "joy" / "1.jpg") as picture:
        assert picture.mode == "L"
