"""Rows and records say what was found, and files hold them whole."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emolens.errors import LabelError, OptionError, OutputError, UnknownName
from emolens.group import group_affect
from emolens.records import Face, PhotoResult, Prediction
from emolens.tables import COLUMNS, nested, rows, to_pandas
from emolens.taxonomy import FERPLUS, RAFDB, Taxonomy
from emolens.writers import ParquetWriter, open_writer

SHARES = np.array([0.5, 0.2, 0.1, 0.05, 0.05, 0.05, 0.03, 0.02], np.float32)  # FER+ order: neutral first


def face(x: float = 10.0) -> Face:
    return Face(np.array([x, 20, x + 30, 60], np.float32), 0.75, np.ones((5, 2), np.float32))


def photo(source: str = "a.jpg", abstained: bool = False) -> PhotoResult:
    faces = (face(), face(50))
    said = tuple(
        Prediction("expression", FERPLUS, SHARES, 0.8, "net", f, abstained=abstained, model_sha="ab" * 32)
        for f in faces
    )
    return PhotoResult(source, "ok", (100, 80), faces, said, group_affect(said, faces, (100, 80)), "mtcnn")


BROKEN = PhotoResult("broken.jpg", "unreadable", message="broken.jpg: empty")


def test_the_columns_are_those_of_the_specification() -> None:
    assert ",".join(COLUMNS) == (
        "source,frame,time_s,target,task,face,track_id,status,x1,y1,x2,y2,det_score,label,confidence,entropy,"
        "p_anger,p_disgust,p_fear,p_happiness,p_sadness,p_surprise,p_neutral,p_contempt,p_negative,p_positive,"
        "valence,arousal,map_x,map_y,map_spread,map_on_faces,model,model_sha,schema_version"
    )


def test_a_row_per_face_and_one_for_the_group() -> None:
    first, second, group = rows(photo())
    assert [row["target"] for row in (first, second, group)] == ["face", "face", "group"]
    assert (first["face"], second["face"], group["face"]) == (1, 2, None)
    assert (second["x1"], second["y1"], second["x2"], second["y2"], second["det_score"]) == (50, 20, 80, 60, 0.75)
    assert first["label"] == "neutral"
    assert first["p_neutral"] == pytest.approx(0.5)
    assert first["p_happiness"] == pytest.approx(0.2)
    assert first["p_anger"] == pytest.approx(0.05)
    assert first["p_negative"] is None
    # By hand: .2 positive, .2 negative, so the balance is 0, and either border .18 away; two faces that count alike
    # give the scale sqrt(.05^2 + .12^2 / 2) = .0985, and 1 / (1 + exp(.18 / .0985)) = .1385.
    assert [group[f"p_{c}"] for c in ("negative", "neutral", "positive")] == pytest.approx(
        [0.1385, 0.723, 0.1385], abs=1e-3
    )
    assert group["p_anger"] is None
    assert all(tuple(row) == COLUMNS for row in (first, second, group))


def test_names_travel_whatever_the_order_of_the_labels() -> None:
    moved = SHARES[[FERPLUS.index(c) for c in RAFDB.classes]]
    said = Prediction("expression", RAFDB, moved / moved.sum(), 0.8, "net", face())
    (row,) = rows(PhotoResult("a", "ok", (9, 9), (face(),), (said,)))
    kept = 1 - 0.02  # RAF-DB has no contempt
    assert row["p_neutral"] == pytest.approx(0.5 / kept)
    assert row["p_fear"] == pytest.approx(0.03 / kept)
    assert row["p_contempt"] is None


def test_abstained_has_no_label_and_keeps_its_distribution() -> None:
    row = rows(photo(abstained=True))[0]
    assert (row["status"], row["label"]) == ("abstained", None)
    assert row["p_neutral"] == pytest.approx(0.5)
    assert nested(photo(abstained=True))["faces"][0]["label"] is None


@pytest.mark.parametrize("result", [BROKEN, PhotoResult("empty.jpg", "no_face", (5, 5))])
def test_a_picture_with_nothing_to_say_is_one_row(result: PhotoResult) -> None:
    (row,) = rows(result)
    assert (row["target"], row["status"], row["task"], row["label"]) == ("image", result.status, None, None)


def test_detection_alone_gives_boxes() -> None:
    (row,) = rows(PhotoResult("a", "ok", (99, 99), (face(),)))
    assert (row["target"], row["task"], row["x1"]) == ("face", None, 10)


def test_csv_reads_back(tmp_path: Path) -> None:
    nasty = 'é, "x"\nΩ.jpg'
    with open_writer(tmp_path / "r.csv") as writer:
        writer.write(photo(nasty))
        writer.write(BROKEN)
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["source"] for row in read] == [nasty] * 3 + ["broken.jpg"]
    assert read[0]["p_neutral"] == "0.5"
    assert read[0]["p_fear"] == "0.03"  # not 0.029999999329447746
    assert read[3]["x1"] == ""


@pytest.mark.parametrize("source", ["=cmd|' /C calc'!A0.jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg"])
def test_a_file_name_cannot_be_a_formula(tmp_path: Path, source: str) -> None:
    with open_writer(tmp_path / "r.csv") as writer:
        writer.write(photo(source))
    with (tmp_path / "r.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["source"] == f"./{source}"  # the same file


def test_a_file_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    source = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    for kind in ("csv", "json", "jsonl", "parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]") if kind == "parquet" else None
        with open_writer(tmp_path / f"r.{kind}") as writer:
            writer.write(photo(source))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_json_is_a_list_of_nested_records(tmp_path: Path, n: int) -> None:
    with open_writer(tmp_path / "r.json") as writer:
        for _ in range(n):
            writer.write(photo())
    read = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert len(read) == n
    for record in read:
        assert record["size"] == [100, 80]
        assert record["faces"][1]["number"] == 2
        assert record["faces"][1]["box"] == [50, 20, 80, 60]
        assert record["faces"][0]["distribution"]["neutral"] == 0.5
        assert record["group"]["contributions"] == [0.5, 0.5]
        assert record["models"]["net"]["sha256"] == "ab" * 32


def test_json_lines_are_lines(tmp_path: Path) -> None:
    with open_writer(tmp_path / "r.jsonl") as writer:
        writer.write(photo("a\nb.jpg"))
        writer.write(BROKEN)
    lines = (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a\nb.jpg", "broken.jpg"]


def test_parquet_is_typed_alike_whatever_it_holds(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    from pyarrow import parquet

    for name, result in (("full", photo()), ("hollow", BROKEN)):
        with open_writer(tmp_path / f"{name}.parquet") as writer:
            writer.write(result)
    with open_writer(tmp_path / "none.parquet"):
        pass
    tables = [parquet.read_table(tmp_path / f"{name}.parquet") for name in ("full", "hollow", "none")]
    whole = pa.concat_tables(tables)
    assert whole.num_rows == 4
    assert tuple(whole.column_names) == COLUMNS
    assert whole.schema.field("p_anger").type == pa.float32()
    assert json.loads(whole.schema.metadata[b"emolens"])["classes"][0] == "anger"


def test_parquet_holds_what_arrow_makes_of_the_same_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    from pyarrow import parquet

    labels, numbers = ("anger", "", "\u7b11", None), (1, None, 2**31 - 1)
    written = [
        {**row, "label": labels[n % 4], "face": numbers[n % 3], "arousal": None if n % 7 else n / 3}
        for n, row in enumerate(50 * rows(photo()))
    ]
    with open_writer(tmp_path / "r.parquet") as writer:
        assert isinstance(writer, ParquetWriter)
        writer.write_rows([dict(row) for row in written])
    read = parquet.read_table(tmp_path / "r.parquet")
    assert read.equals(pa.Table.from_pylist(written, schema=read.schema))
    assert 0 < read["label"].null_count < read.num_rows


def test_a_parquet_file_is_written_without_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    code = (
        "import sys; from emolens.records import PhotoResult; from emolens.writers import open_writer\n"
        "with open_writer(sys.argv[1]) as writer: writer.write(PhotoResult('a.jpg', 'unreadable', message='cut off'))\n"
        "assert 'pyarrow' in sys.modules"
    )
    (tmp_path / "pandas.py").write_text("raise SystemExit('pandas was imported')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "r.parquet")], check=True)


def test_many_pictures_leave_row_groups_not_memory(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    from pyarrow import parquet

    result = photo()
    with open_writer(tmp_path / "r.parquet") as writer:
        for _ in range(3000):  # 9,000 rows
            writer.write(result)
    meta = parquet.ParquetFile(tmp_path / "r.parquet").metadata
    assert (meta.num_rows, meta.num_row_groups) == (9000, 3)


def break_off(target: Path) -> None:
    with open_writer(target) as writer:
        writer.write(photo())
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_an_exception_leaves_nothing_and_an_older_file_alone(tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    old = tmp_path / f"old.{kind}"
    old.write_text("before")
    for target in (old, tmp_path / f"new.{kind}"):
        with pytest.raises(ZeroDivisionError):
            break_off(target)
    assert [p.name for p in tmp_path.iterdir()] == [old.name]
    assert old.read_text() == "before"


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        open_writer(tmp_path, "csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        open_writer(tmp_path / "file" / "r.csv")
    with pytest.raises(UnknownName, match=r"'xlsx'.*csv, json, jsonl, parquet"):
        open_writer(tmp_path / "r.xlsx")
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    with pytest.raises(OptionError, match="--csv -"):
        open_writer("-", "parquet")


def test_a_class_of_ones_own_gets_a_column_when_asked_for(tmp_path: Path) -> None:
    own = Taxonomy("own", ("boredom", "neutral"))
    said = Prediction("expression", own, np.array([0.75, 0.25], np.float32), 0.75, "net", face())
    result = PhotoResult("a", "ok", (9, 9), (face(),), (said,))
    with pytest.raises(LabelError, match="p_boredom"), open_writer(tmp_path / "r.csv") as writer:
        writer.write(result)
    with open_writer(tmp_path / "r.csv", classes=own.classes) as writer:
        writer.write(result)
    with (tmp_path / "r.csv").open(newline="") as file:
        read = next(csv.DictReader(file))
    assert (read["p_boredom"], read["p_neutral"], read["p_anger"]) == ("0.75", "0.25", "")


def test_pandas_sees_the_same_rows() -> None:
    pytest.importorskip("pandas")
    frame = to_pandas([photo(), BROKEN])
    assert list(frame.columns) == list(COLUMNS)
    assert frame["label"].tolist()[:3] == ["neutral"] * 3
