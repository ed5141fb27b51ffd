"""Key frames against OpenCV, SciPy and films whose cuts are known; splits that keep a video whole."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from emolens.cli import app
from emolens.errors import OptionError
from emolens.preparing.frames import dealt
from emolens.video.keyframes import key_places, local_maxima, luv, smoothed

pytest.importorskip("av")


def film(path: Path, scenes: list[int], size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    """A film of still scenes of so many frames each, at 25 frames a second."""
    from emolens.video import VideoWriter

    rng = np.random.default_rng(seed)
    writer, at = VideoWriter(path, size, 25), 0
    for frames in scenes:
        blocks = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), np.uint8)
        for _ in range(frames):
            writer.write(blocks.repeat(16, 0).repeat(16, 1), at / 25)
            at += 1
    writer.close()
    return path


def run(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["frames", *map(str, arguments)], terminal_width=100)
    return answer.exit_code, answer.output


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_luv_is_that_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    pixels[0, :4] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [1, 2, 3]]
    gap = np.abs(luv(pixels) - cv2.cvtColor(pixels, cv2.COLOR_RGB2LUV))
    assert gap.max() < 1.5  # OpenCV rounds to whole units, and its tables once more
    assert gap.mean() < 0.4


def test_smoothing_keeps_lines_and_sums_and_maxima_are_those_of_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    line = np.arange(200) * 0.5
    np.testing.assert_allclose(smoothed(line, 51), line, atol=1e-9)
    spike = np.zeros(200)
    spike[100] = 1
    found = smoothed(spike, 50)
    assert found.sum() == pytest.approx(1)
    assert 99 <= found.argmax() <= 101
    assert (found > 1e-12).sum() == 48  # a Hann window of 50 is 0 at both its ends
    noise = np.random.default_rng(1).random(300)
    np.testing.assert_array_equal(local_maxima(noise), signal.argrelextrema(noise, np.greater)[0])
    assert key_places(np.zeros(9)).tolist() == [4]
    assert key_places(np.zeros(0)).tolist() == []


def test_key_frames_are_those_at_the_cuts(tmp_path: Path) -> None:
    film(tmp_path / "cuts.mp4", [60, 60, 60])
    code, said = run(tmp_path / "cuts.mp4", "--out", tmp_path / "out", "--window", 20, "--no-plot")
    assert code == 0, said
    numbers = [int(row["frame"]) for row in rows_of(tmp_path / "out")]
    for cut in (60, 120):
        assert min(abs(number - cut) for number in numbers) <= 1
    row = rows_of(tmp_path / "out")[0]
    assert (tmp_path / "out" / row["path"]).is_file()
    assert float(row["time_s"]) == pytest.approx(int(row["frame"]) / 25, abs=0.002)
    assert row["sequence"] == "cuts"
    assert "split" not in row


def test_scenes_and_rate(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [30, 30], seed=3)
    assert run(tmp_path / "a.mp4", "--out", tmp_path / "scenes", "--method", "scenes")[0] == 0
    assert [row["frame"] for row in rows_of(tmp_path / "scenes")] == ["0", "30"]
    assert run(tmp_path / "a.mp4", "--out", tmp_path / "rate", "--method", "rate", "--fps", 5)[0] == 0
    assert [int(row["frame"]) for row in rows_of(tmp_path / "rate")] == list(range(0, 60, 5))


def test_a_video_and_its_copies_are_in_one_split(tmp_path: Path) -> None:
    for at in range(10):
        folder = tmp_path / "films" / ("pos" if at % 2 else "neg")
        folder.mkdir(parents=True, exist_ok=True)
        film(folder / f"v{at}.mp4", [12, 12], seed=at)
    (tmp_path / "films/pos/copy.mp4").write_bytes((tmp_path / "films/neg/v0.mp4").read_bytes())
    code, said = run(tmp_path / "films", "--out", tmp_path / "out", "--split", "0.7,0.2,0.1", "--labels", "--method",
                     "rate", "--fps", 10)  # fmt: skip
    assert code == 0, said
    rows = rows_of(tmp_path / "out")
    places = {video: {r["split"] for r in rows if r["sequence"] == video} for video in {r["sequence"] for r in rows}}
    assert all(len(splits) == 1 for splits in places.values())
    assert places["copy"] == places["v0"]
    counts = {split: sum(splits == {split} for splits in places.values()) for split in ("train", "val", "test")}
    assert sum(counts.values()) == 11
    assert counts["train"] >= 6
    assert min(counts.values()) >= 1
    assert {row["label"] for row in rows} == {"pos", "neg"}
    assert rows[0]["path"].startswith(f"{rows[0]['split']}/{rows[0]['label']}/")
    picture = Image.open(tmp_path / "out" / rows[0]["path"])
    assert picture.size == (64, 48)
    from emolens.data.registry import reader

    records = list(reader("table").read(tmp_path / "out"))
    assert len(records) == len(rows)
    assert {r.sequence for r in records if r.split == "train"}.isdisjoint(
        r.sequence for r in records if r.split != "train"
    )


def test_shares_and_sources_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [5])
    with pytest.raises(OptionError, match="sum to 1"):
        dealt([str(tmp_path / "a.mp4")], [0.7, 0.7])
    for wrong in (["--split", "half"], ["--method", "best"], ["--fps", "0", "--method", "rate"], ["--window", "1"],
                  ["--fps", "inf", "--method", "rate"], ["--split", "nan,0.5"]):  # fmt: skip
        code, said = run(tmp_path / "a.mp4", "--out", tmp_path / "out", *wrong)
        assert code == 2
        assert len(said.strip().splitlines()) == 1
    assert run(tmp_path / "none.mp4", "--out", tmp_path / "out")[0] == 2
    (tmp_path / "text.mp4").write_text("no film")
    code, said = run(tmp_path / "text.mp4", "--out", tmp_path / "out")
    assert (code, "text.mp4" in said) == (2, True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.jpg").touch()
    assert "not empty" in run(tmp_path / "a.mp4", "--out", tmp_path / "full")[1]


def test_a_film_that_begins_restlessly_is_not_taken_for_one_that_changes() -> None:
    from emolens.video import VideoFrame
    from emolens.video.keyframes import differences

    rng = np.random.default_rng(0)
    frames = [VideoFrame(n, n / 25, rng.integers(0, 256, (32, 32, 3), np.uint8)) for n in range(5)]
    rows = list(differences(iter(frames)))
    assert [number for number, _, _ in rows] == [0, 1, 2, 3, 4]
    assert rows[0][2] == rows[1][2] > 0
    assert list(differences(iter(frames[:1]))) == [(0, 0.0, 0.0)]
