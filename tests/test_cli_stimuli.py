"""`emolens analyze --task stimuli`: what is drawn and written, and truths that are none."""

from __future__ import annotations

import csv
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens.cli import app
from emolens.maps import read_map
from fakes_maps import map_model, statistics_model


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    def command(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            app([str(a) for a in args], prog_name="emolens")
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, " ".join(err.split())

    return command


@pytest.fixture
def photo(tmp_path) -> Path:
    """Bright on the right."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 220
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in" / "photo.png")
    return tmp_path / "in" / "photo.png"


@pytest.fixture
def maps(run, tmp_path, photo):
    model = map_model(tmp_path / "fcnel.onnx")
    return lambda *args: run("analyze", photo, "--task", "stimuli", "--model", model, *args)


def grey(path: Path, levels: np.ndarray) -> Path:
    Image.fromarray(levels).save(path)
    return path


def test_it_draws_and_writes_the_map(maps, tmp_path, photo):
    code, out, _ = maps("--out", tmp_path / "out")
    assert code == 0
    assert "map centre 7" in out  # the right half's middle is at 75 %
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"photo_stimuli.png", "photo_map.png", "photo_map16.png", "photo_map.npy", "results.json",
                       "results.csv"}  # fmt: skip
    found = [read_map(tmp_path / "out" / f"photo_map{end}") for end in (".png", "16.png", ".npy")]
    assert all(each.shape == (40, 60) for each in found)
    np.testing.assert_allclose(found[0], found[2], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(found[1], found[2], atol=1e-5)
    assert found[2][:, 45:].mean() > 0.8 > 0.1 > found[2][:, :15].mean()
    with (tmp_path / "out" / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["task"], row["map_on_faces"]) == ("stimuli", "")
    assert float(row["map_x"]) == pytest.approx(45, abs=1)


def test_a_map_for_each_emotion_in_one_figure(run, tmp_path, photo):
    model = statistics_model(tmp_path / "evoked.onnx")
    code, out, _ = run("analyze", photo, "--task", "evoked,stimuli", "--by-emotion", "--model", model, "--out",
                       tmp_path / "out")  # fmt: skip
    assert code == 0
    assert "correlate by" in " ".join(out.split())
    assert len(list((tmp_path / "out").glob("photo_map_*.png"))) == 7
    sheet = Image.open(tmp_path / "out" / "photo_emotions.png")
    one = Image.open(tmp_path / "out" / "photo_stimuli.png")
    assert sheet.width > 4 * 160
    assert one.width > 2 * 160


def test_the_truth_stands_beside(maps, tmp_path, photo):
    levels = np.zeros((40, 60), np.uint8)
    levels[:, 30:] = 255
    code, out, _ = maps("--truth", grey(tmp_path / "truth.png", levels), "--out", tmp_path / "out")
    assert code == 0
    assert "beside the truth: CC 0.9" in out
    plain = Image.open(tmp_path / "out" / "photo_stimuli.png").size
    assert maps("--out", tmp_path / "without")[0] == 0
    assert plain[1] > Image.open(tmp_path / "without" / "photo_stimuli.png").size[1] - 1


def test_truths_of_a_folder_are_found_by_relative_names(run, tmp_path):
    model = map_model(tmp_path / "fcnel.onnx")
    for emotion, side in (("fear", 30), ("joy", 50)):
        for kind in ("images", "truths"):
            (tmp_path / kind / emotion).mkdir(parents=True)
            levels = np.full((side, side), 99, np.uint8)
            levels[5:9] = 200
            Image.fromarray(levels).save(tmp_path / kind / emotion / "1.png")
    code, out, _ = run(
        "analyze", tmp_path / "images", "--task", "stimuli", "--model", model, "--truth", tmp_path / "truths"
    )
    assert code == 0
    assert out.count("beside the truth") == 2
    (tmp_path / "truths" / "joy" / "1.png").unlink()
    code, _, err = run(
        "analyze", tmp_path / "images", "--task", "stimuli", "--model", model, "--truth", tmp_path / "truths"
    )
    assert code == 2
    assert "no map for" in err
    assert "1 of 2 are missing" in err


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (np.zeros((40, 60), np.uint8), "all zero"),
        (np.full((60, 40), 200, np.uint8), "a map of 40 x 60 pixels"),
        (np.dstack([np.full((40, 60), n, np.uint8) for n in (9, 99, 199)]), "a map in colour"),
    ],
)
def test_a_truth_that_is_none_is_named_and_nothing_is_written(maps, tmp_path, levels, said):
    code, _, err = maps("--truth", grey(tmp_path / "truth.png", levels), "--out", tmp_path / "out")
    assert code == 2
    assert said in err
    assert "truth.png" in err
    assert not (tmp_path / "out" / "results.csv").exists()


def test_a_truth_that_is_missing_or_has_no_map_beside_it(maps, run, photo, tmp_path):
    assert "no such map" in maps("--truth", tmp_path / "nowhere.png")[2]
    code, _, err = run("analyze", photo, "--task", "evoked", "--truth", photo)
    assert code == 2
    assert "add --task stimuli" in err
    code, _, err = run("analyze", photo, "--task", "evoked", "--by-emotion")
    assert "add --task stimuli" in err


def test_no_picture_is_written_before_the_last_truth_is_looked_at(run, tmp_path):
    model = map_model(tmp_path / "fcnel.onnx")
    for folder in ("in", "truth"):
        (tmp_path / folder).mkdir()
        for name, side in (("a", 30), ("b", 30 if folder == "in" else 31)):
            grey(tmp_path / folder / f"{name}.png", np.full((side, side), 99, np.uint8))
    args = ("analyze", tmp_path / "in", "--task", "stimuli", "--model", model, "--truth", tmp_path / "truth")
    code, _, err = run(*args, "--out", tmp_path / "out")
    assert code == 2
    assert "a map of 31 x 31 pixels" in err
    assert not (tmp_path / "out").exists()


def test_the_standard_input_has_no_map_in_a_folder(run, tmp_path, photo, monkeypatch):
    (tmp_path / "truth").mkdir()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(photo.read_bytes())))
    model = map_model(tmp_path / "fcnel.onnx")
    code, _, err = run("analyze", "-", "--task", "stimuli", "--model", model, "--truth", tmp_path / "truth")
    assert code == 2
    assert "no map for - (1 of 1 are missing)" in err


def test_figures_never_take_the_place_of_a_map(run, tmp_path):
    truth = grey(tmp_path / "truth.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    before = truth.read_bytes()
    code, _, err = run("compare-maps", truth, truth, "--csv", truth)
    assert code == 2
    assert "name a new file" in err
    assert truth.read_bytes() == before
    code, out, _ = run("compare-maps", truth, truth, "--csv", tmp_path / "figures.csv")
    assert code == 0
    assert "(1 map)" in out


def test_a_traced_model_never_takes_the_place_of_a_photo(run, tmp_path, photo):
    before = photo.read_bytes()
    model = statistics_model(tmp_path / "plain.onnx", traced=False)
    code, _, err = run("models", "trace", model, "--out", photo)
    assert code == 2
    assert "ends in .onnx" in err
    assert photo.read_bytes() == before
    assert not photo.with_suffix(".json").exists()


def test_a_model_is_traced_by_a_command(run, tmp_path):
    model = statistics_model(tmp_path / "plain.onnx", traced=False)
    code, out, _ = run("models", "trace", model, "--out", tmp_path / "traced.onnx")
    assert code == 0
    assert "gives maps now" in out
    code, _, err = run("models", "trace", map_model(tmp_path / "fcnel.onnx"))
    assert code == 2
    assert "has no map" in err
