from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emolens.data.prepare import prepare
from emolens.errors import DataError, LabelError
from emolens.evaluation.asking import ask_model, stated
from emolens.evaluation.rows import Rows, open_rows, views
from emolens.models.classifier import Classifier
from emolens.taxonomy import AFFECTNET7, EKMAN6, FERPLUS, RAFDB, Taxonomy
from fakes import linear_card, linear_model
from ferplus import write_ferplus


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("ferplus"))


@pytest.fixture(scope="module")
def rows(archive: Path) -> Rows:
    return open_rows(archive, "test")


def test_rows_know_their_set_and_their_subset(rows: Rows) -> None:
    assert (rows.title, rows.subset, len(rows)) == ("FER+", "FER+ test, argmax", 16)
    assert rows.frames(48, grey=True).shape == (16, 48, 48)
    assert rows.frames(16, grey=False).shape == (16, 16, 16, 3)
    np.testing.assert_array_equal(rows.pictures(np.array([3]))[0][..., 0], rows.frames(48, grey=True)[3])


def test_a_model_is_asked_in_its_own_size_and_calibration(rows: Rows, tmp_path: Path) -> None:
    path = linear_model(tmp_path / "m.onnx", linear_card(prior=(1 / 8,) * 8))
    found = ask_model(path, rows)
    distributions, confidence = Classifier.load(path).predict(rows.frames(16, grey=True))
    np.testing.assert_array_equal(found.probabilities, distributions)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-6)
    assert (found.model, found.sha, found.prior) == ("linear", Classifier.load(path).sha256, (1 / 8,) * 8)
    assert found.ids.tolist() == rows.ids.tolist()


def test_ferplus_has_two_subsets_of_val_and_four_of_test(archive: Path, rows: Rows, tmp_path: Path) -> None:
    path = linear_model(tmp_path / "m.onnx")
    names = [one.subset for one in views(ask_model(path, rows), rows)]
    assert set(names) == {f"FER+ test, {s}{c}" for s in ("argmax", "majority") for c in ("", ", no pixel copies")}
    assert names[0] == "FER+ test, argmax"
    val = open_rows(archive, "val")
    majority = views(ask_model(path, val), val)[1]
    assert majority.subset == "FER+ val, majority"
    assert majority.targets.max() == 1  # single votes are dropped: nine of ten became all


def test_a_part_of_a_table_keeps_its_own_targets(rows: Rows, tmp_path: Path) -> None:
    whole = ask_model(linear_model(tmp_path / "m.onnx"), rows)
    turned = whole.keep(np.arange(16)[::-1][:5])
    for view in views(turned, rows):
        same = {one: at for at, one in enumerate(rows.ids.tolist())}
        for name, target in zip(view.ids.tolist(), view.targets, strict=True):
            assert target.argmax() == rows.targets[same[name]].argmax()
    with pytest.raises(DataError, match="has no row 'row-0'"):
        rows.places(np.array(["row-0"]))


def test_rows_of_fewer_classes(rows: Rows) -> None:
    happy = FERPLUS.index("happiness")
    wanted = int((rows.targets.argmax(axis=1) == happy).sum())
    kept = rows.in_classes(EKMAN6)  # without neutral
    assert len(kept) == wanted
    assert kept.subset.endswith("6 classes")
    np.testing.assert_allclose(kept.targets.sum(axis=1), 1)
    np.testing.assert_array_equal(kept.frames(48, True), rows.frames(48, True)[rows.targets.argmax(axis=1) == happy])
    with pytest.raises(LabelError, match="can be judged as negative"):
        rows.in_classes(Taxonomy("group3", ("negative",)))


def test_a_net_with_other_classes_is_judged_on_those_it_shares(rows: Rows) -> None:
    chance = np.random.default_rng(0)
    shares = chance.dirichlet(np.ones(7), len(rows)).astype(np.float32)
    found = stated(rows, RAFDB, shares, shares, np.log(shares), model="seven")  # has no contempt, another order
    assert "contempt" not in found.taxonomy.classes
    assert found.logits is None
    for name in found.taxonomy.classes:
        own = shares[:, RAFDB.index(name)]
        np.testing.assert_allclose(found.probabilities[:, found.taxonomy.index(name)], own, atol=1e-6)
    six = shares[:, :6] / shares[:, :6].sum(axis=1, keepdims=True)
    less = stated(rows, Taxonomy("six", RAFDB.classes[:6]), six, six, six)
    assert 0 < len(less) < len(rows)  # rows that people called neutral are not asked about
    assert set(less.taxonomy.classes) == set(AFFECTNET7.classes) - {"neutral"}
    for table in (found, less):  # the four row sets of FER+ are those of its eight classes
        (view,) = views(table, rows)
        assert view.targets.shape == (len(table), len(table.taxonomy))


def test_the_combined_set_is_judged_in_fewer_classes_too(rows: Rows) -> None:
    kept = replace(rows, name="ck_raf_aff").in_classes(EKMAN6)  # no reader has that name: three sets do
    assert kept.taxonomy == EKMAN6


def test_a_prepared_folder_of_any_set_is_opened_by_its_own_name(tmp_path: Path) -> None:
    from PIL import Image

    for at in range(6):
        folder = tmp_path / "set" / ("train", "test")[at % 2] / ("happy", "sad", "angry")[at % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + at, 24), (40 * at, 0, 0)).save(folder / f"{at}.png")
    prepare("folder", tmp_path / "set", tmp_path / "made")
    found = open_rows(tmp_path / "made", "test")
    assert len(found) == 3
    assert found.frames(16, grey=False).shape == (3, 16, 16, 3)
    assert found.targets.sum() == 3
