import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage.filters import threshold_otsu

from emolens.errors import DataError, NotFound, TooLarge, Unreadable
from emolens.evaluation import maps
from emolens.evaluation.map_pairs import judge_maps
from emolens.maps import centre_prior, read_map, resized, write_map
from emolens.pictures.limits import Limits

RNG = np.random.default_rng(0)


# --- files --------------------------------------------------------------------------------------------------------


def test_a_map_is_the_same_from_every_file_that_holds_it(tmp_path: Path) -> None:
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    Image.fromarray(levels).save(tmp_path / "eight.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    Image.fromarray(np.repeat(levels[..., None], 3, axis=2)).save(tmp_path / "grey_rgb.png")
    np.save(tmp_path / "float.npy", levels / np.float32(255))
    np.save(tmp_path / "column.npy", levels[..., None])
    for path in tmp_path.iterdir():
        found = read_map(path)
        assert found.dtype == np.float32, path.name
        np.testing.assert_allclose(found, levels / 255, atol=1e-6, err_msg=path.name)


def _png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (_png(np.eye(3, dtype=np.uint8).repeat(3).reshape(3, 3, 3) * np.array([9, 8, 7], np.uint8)), "in colour"),
        (np.zeros((2, 2, 3), np.uint8), r"shape \(2, 2, 3\)"),
        (np.zeros((0, 2)), "shape"),
        (np.full((2, 2), np.nan), "nan"),
        (np.array([[0.0, 1.5]]), "0 to 1.5"),
        (np.array([[-1, 1]]), "int64"),
        (b"no picture", "not a map"),
        (b"\x93NUMPY broken", "not a map"),
    ],
)
def test_what_is_no_map_is_named(source: np.ndarray | bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read_map(source, "it")


def test_pickles_in_npy_files_are_never_executed(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object))
    with pytest.raises(Unreadable, match="not a map"):
        read_map(tmp_path / "objects.npy")


def test_missing_and_huge_maps(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_map(tmp_path / "none.png")
    with pytest.raises(TooLarge, match="3 x 3"):
        read_map(_png(np.zeros((3, 3), np.uint8)), limits=Limits(max_pixels=8))


def test_bytes_of_no_format_are_told_without_an_object(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"^x: not a map \(no known format\); give a grey picture or an \.npy file$"):
        read_map(b"nothing", "x")


def test_a_resized_map_keeps_its_range_and_shrinks_by_averaging() -> None:
    edge = np.repeat(np.array([[0, 0, 1, 1]], np.float32), 4, axis=0)
    large = resized(edge, 40, 20)
    assert large.shape == (20, 40)
    assert (large.min(), large.max()) == (0, 1)
    assert resized(edge, 40, 20, smooth=True).max() > 1  # bicubic steps over an edge
    np.testing.assert_allclose(resized(np.eye(64, dtype=np.float32), 1, 1), np.eye(64).mean(), atol=0.02)


# --- figures ------------------------------------------------------------------------------------------------------


def test_figures_by_hand() -> None:
    truth = np.array([[1.0, 0.5], [0.5, 0.0]])
    found = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert maps.mae(found, truth) == pytest.approx(0.25)
    assert maps.mse(found, truth) == pytest.approx(0.125)
    assert maps.similarity(found, truth) == pytest.approx(0.5 + 0.25)
    assert maps.precision(found, truth) == pytest.approx(0.75)
    assert maps.recall(found, truth) == pytest.approx(0.75)
    assert maps.f1(found, truth) == pytest.approx(0.75)
    assert maps.f_score(np.array([[1.0, 0, 0, 0]]), np.array([[1.0, 1, 1, 1]])) == pytest.approx(1.3 * 0.25 / 0.55)


def test_figures_agree_with_scipy_and_skimage() -> None:
    found, truth = RNG.random((9, 7)), RNG.random((9, 7))
    assert maps.correlation(found, truth) == pytest.approx(stats.pearsonr(found.ravel(), truth.ravel())[0])
    p, q = truth.ravel() / truth.sum(), found.ravel() / found.sum()
    assert maps.divergence(found, truth) == pytest.approx(stats.entropy(p, q), abs=1e-9)
    assert maps.otsu(found) == pytest.approx(threshold_otsu(found))


def test_the_truth_itself_is_best_and_a_constant_says_nothing() -> None:
    truth = centre_prior(20, 30)
    assert maps.mae(truth, truth) == 0
    assert maps.correlation(truth, truth) == pytest.approx(1, abs=1e-6)
    assert maps.auc_judd(truth, truth) == 1
    assert maps.divergence(truth, truth) == 0  # never below
    flat = np.full_like(truth, 0.5)
    assert maps.correlation(flat, truth) == 0
    assert maps.auc_judd(flat, truth) == pytest.approx(0.5)
    assert maps.recall(flat, truth) == 0


def test_the_centre_prior_is_a_round_hill() -> None:
    hill = centre_prior(41, 21)
    assert hill[20, 10] == 1 == hill.max()
    np.testing.assert_allclose(hill, hill[::-1, ::-1], atol=1e-6)
    assert centre_prior(1000, 1000)[500, 749] == pytest.approx(np.exp(-0.5), abs=0.01)


# --- folders ------------------------------------------------------------------------------------------------------


def _write(folder: Path, name: str, values: np.ndarray) -> Path:
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values.astype(np.float32))
    return path


def test_folders_are_matched_by_name_and_the_mean_leaves_the_own_truth_out(tmp_path: Path) -> None:
    one, other = np.zeros((64, 64)), np.zeros((64, 64))
    one[:32], other[32:] = 1, 1
    for name, truth in (("joy/1", one), ("joy/2", other)):
        _write(tmp_path / "truth", name, truth)
        _write(tmp_path / "found", name, truth)
    judged = judge_maps(tmp_path / "found", tmp_path / "truth")
    assert judged.names == ("joy/1", "joy/2")
    assert judged.figures["map"]["mae"].tolist() == [0, 0]
    assert judged.figures["mean"]["mae"].tolist() == [1, 1]  # each is judged by the other alone
    assert judged.summary()["centre"]["cc"].n == 2


def test_two_files_are_compared_without_a_mean(tmp_path: Path) -> None:
    path = _write(tmp_path, "a", RNG.random((5, 5)))
    judged = judge_maps(path, path)
    assert set(judged.figures) == {"map", "centre"}
    assert judged.figures["map"]["cc"][0] == pytest.approx(1)


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    truth = _write(tmp_path / "truth", "a", np.ones((4, 4)))
    small = _write(tmp_path / "found", "a", np.ones((2, 4)))
    with pytest.raises(DataError, match=r"4 x 2 pixels.*4 x 4 pixels"):
        judge_maps(small, truth)
    with pytest.raises(DataError, match="one is a folder"):
        judge_maps(small, truth.parent)
    _write(tmp_path / "truth", "b", np.ones((4, 4)))
    with pytest.raises(DataError, match=r"no map for b \(1 of 2"):
        judge_maps(small.parent, truth.parent)
    black = _write(tmp_path, "black", np.zeros((4, 4)))
    with pytest.raises(DataError, match="all zero"):
        judge_maps(truth, black)
    with pytest.raises(DataError, match="nothing to compare"):
        judge_maps(small.parent, _empty(tmp_path / "empty"))
    Image.fromarray(np.ones((4, 4), np.uint8)).save(truth.with_suffix(".png"))
    with pytest.raises(DataError, match="two maps of one name"):
        judge_maps(small.parent, truth.parent)


def test_a_folder_that_analyze_wrote_is_compared_as_it_is(tmp_path: Path) -> None:
    truth, found = RNG.random((6, 8)).astype(np.float32), tmp_path / "found"
    _write(tmp_path / "truth", "a", truth)
    _write(found, "a_map", truth)
    for bits, end in ((8, ""), (16, "16")):
        write_map(truth, found / f"a_map{end}.png", bits)
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(found / "a_stimuli.png")
    judged = judge_maps(found, tmp_path / "truth")
    assert judged.names == ("a",)
    assert judged.figures["map"]["mae"].tolist() == [0]  # the exact one, not its copy in 8 bits
    assert judge_maps(found.parent / "truth", found.parent / "truth").names == ("a",)


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
