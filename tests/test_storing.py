import pickle
from pathlib import Path

import numpy as np
import pytest

from emolens.errors import DataError, OptionError
from emolens.evaluation.storing import is_table, read_predictions, read_tables, write_predictions
from fakes_predictions import table


@pytest.mark.parametrize("name", ["t.parquet", "t.npz"])
def test_a_table_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    written = table(
        features=np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32),
        attributes={"gender": np.array(["", "f", "m"] * 20)},
        prior=(0.2, 0.3, 0.5),
        sha="ab" * 32,
    )
    write_predictions(written, tmp_path / name)
    read = read_predictions(tmp_path / name)
    for column in ("ids", "splits", "targets", "probabilities", "confidence", "logits", "features"):
        np.testing.assert_array_equal(getattr(read, column), getattr(written, column))
    assert read.attributes["gender"].tolist() == written.attributes["gender"].tolist()
    for about in ("taxonomy", "data", "subset", "model", "sha", "prior"):
        assert getattr(read, about) == getattr(written, about)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_any_reader_of_parquet_finds_labels_and_metadata(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write_predictions(table(), tmp_path / "t.parquet")
    found = pq.read_table(tmp_path / "t.parquet")
    assert set(found["label"].to_pylist()) == {"negative", "neutral", "positive"}
    assert b'"labels": ["negative", "neutral", "positive"]' in found.schema.metadata[b"emolens_predictions"]
    assert sum(found["probabilities"][0].as_py()) == pytest.approx(1, abs=1e-6)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    assert pickle.dumps(Trap())
    np.savez(tmp_path / "t.npz", output_valid_model1=np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"not an \.npz of plain arrays.*data convert-legacy"):
        read_tables(tmp_path / "t.npz")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").write_bytes(b"")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name, says in (("empty.parquet", "not a readable Parquet"), ("other.npz", "not a predictions table")):
        with pytest.raises(DataError, match=says):
            read_predictions(tmp_path / name)
    with pytest.raises(DataError, match="no such predictions table"):
        read_predictions(tmp_path / "nowhere.npz")
    with pytest.raises(OptionError, match=r"ends in \.parquet or \.npz"):
        write_predictions(table(), tmp_path / "t.csv")
    assert is_table(Path("a.npz#model3"))
    assert not is_table(Path("a.onnx"))


def old(path: Path, models: tuple[int, ...], shuffled: bool = False) -> Path:
    chance, arrays = np.random.default_rng(0), {}
    for split, n in (("train", 9), ("valid", 6), ("test", 4)):
        labels = np.arange(n) % 3
        arrays[f"label_{split}"] = labels[::-1].copy() if shuffled else labels
        for model in models:
            arrays[f"output_{split}_model{model}"] = chance.normal(size=(n, 3)).astype(np.float32)
    np.savez(path, **arrays)
    return path


def test_old_outputs_become_tables_of_three_splits(tmp_path: Path) -> None:
    found = read_tables(old(tmp_path / "old.npz", (10, 9)))
    assert [one.model for one in found] == ["model9", "model10"]  # by number, not by letters
    first = found[0]
    assert first.task == "group"
    assert [len(first.split(name)) for name in ("train", "val", "test")] == [9, 6, 4]
    assert first.split("val").ids[0] == "valid-00000"
    assert first.split("test").truth.tolist() == [0, 1, 2, 0]
    assert first.logits is not None
    np.testing.assert_allclose(np.log(first.probabilities[:, 0] / first.probabilities[:, 1]),
                               first.logits[:, 0] - first.logits[:, 1], atol=1e-5)  # fmt: skip


def test_one_of_several_models_is_taken_by_name(tmp_path: Path) -> None:
    path = old(tmp_path / "old.npz", (1, 2))
    assert read_predictions(Path(f"{path}#model2")).model == "model2"
    with pytest.raises(DataError, match=r"holds 2 models; name one, as 'old\.npz#model1'"):
        read_predictions(path)
    with pytest.raises(DataError, match="holds no model 'model7'"):
        read_predictions(Path(f"{path}#model7"))


def test_old_outputs_without_their_labels_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", output_valid_model1=np.zeros((4, 3)), label_valid=np.array([0, 1, 2]))
    with pytest.raises(DataError, match=r"outputs \(4, 3\) for labels \(3,\)"):
        read_tables(tmp_path / "a.npz")
    for wrong in (np.array([["a", "b", "c"]]), np.float32(1)):
        np.savez(tmp_path / "c.npz", output_valid_model1=wrong, label_valid=np.array([0]))
        with pytest.raises(DataError, match=r"needs outputs \(N, 3\), numbers"):
            read_tables(tmp_path / "c.npz")
    np.savez(tmp_path / "b.npz", output_valid_model1=np.zeros((3, 3)), label_valid=np.array([1, 2, 3]))
    with pytest.raises(DataError, match="allowed: 0, 1, 2"):
        read_tables(tmp_path / "b.npz")
