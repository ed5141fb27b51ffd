"""Rows of a video: the same in every form, readable while it runs, kept when the disk is full."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emolens.errors import OutputError, UnknownName
from emolens.tables import COLUMNS, nested, rows
from emolens.watching import series as rooms
from emolens.watching.series import Series
from fakes_video import frame

FRAMES = [frame(n, n / 8, {1: "happiness", **({2: "anger"} if n % 3 else {})} if n % 5 else {}) for n in range(40)]


def written(folder: Path, kind: str) -> Path:
    with Series(folder, kind) as out:
        for one in FRAMES:
            out.add(one)
        assert out.kept <= len(FRAMES)
    assert out.kept == len(FRAMES)
    return folder / ("rows" if kind == "parquet" else f"rows.{kind}")


def test_csv_has_the_columns_of_photos_and_the_place_in_the_video(tmp_path: Path) -> None:
    with written(tmp_path, "csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert tuple(found[0]) == COLUMNS
    assert len(found) == sum(len(rows(one)) for one in FRAMES)
    face = next(row for row in found if row["track_id"] == "2")
    assert (face["frame"], face["time_s"], face["label"], face["p_anger"]) == ("1", "0.125", "anger", "0.9")
    assert found[0] == {**found[0], "status": "no_face", "target": "image", "frame": "0", "time_s": "0"}


def test_parquet_parts_are_one_table_with_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here: pip install 'emolens[tables]'")
    monkeypatch.setattr(rooms, "PART_ROWS", 20)
    folder = written(tmp_path, "parquet")
    assert len(list(folder.iterdir())) > 2
    table = parquet.read_table(folder)
    assert tuple(table.column_names) == COLUMNS
    expected = [row for one in FRAMES for row in rows(one)]
    assert table.num_rows == len(expected)
    for name in ("frame", "track_id", "label", "status"):
        assert table[name].to_pylist() == [row[name] for row in expected]
    assert table["time_s"].to_pylist() == [row["time_s"] for row in expected]


def test_every_kind_holds_the_same_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here: pip install 'emolens[tables]'")
    tables = {
        "parquet": parquet.read_table(written(tmp_path, "parquet")).to_pylist(),
        "jsonl": [json.loads(line) for line in written(tmp_path, "jsonl").read_text().splitlines()],
    }
    with written(tmp_path, "csv").open(newline="") as file:
        texts = list(csv.DictReader(file))
    tables["csv"] = [
        {name: type(as_json[name])(text) if text else None for name, text in row.items()}
        for row, as_json in zip(texts, tables["jsonl"], strict=True)
    ]
    expected = [row for one in FRAMES for row in rows(one)]
    for kind, found in tables.items():
        assert [tuple(row) for row in found] == [COLUMNS] * len(expected), kind
        for row, told in zip(found, expected, strict=True):
            assert row == {k: pytest.approx(v, rel=1e-5) if isinstance(v, float) else v for k, v in told.items()}, kind


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_time_is_exact_after_a_day(tmp_path: Path, kind: str) -> None:
    with Series(tmp_path, kind) as out:
        out.add(frame(2_160_001, 86_400.04, {}))
    assert "86400.04," in (tmp_path / f"rows.{kind}").read_text()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_what_was_added_a_while_ago_can_be_read_while_it_runs(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "PART_S", 0.0)
    monkeypatch.setattr(rooms, "FLUSH_S", 0.0)
    out = Series(tmp_path, kind)
    for one in FRAMES[:7]:
        out.add(one)
    assert out.kept == 7
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here: pip install 'emolens[tables]'")
        assert max(parquet.read_table(tmp_path / "rows")["frame"].to_pylist()) == 6
    elif kind == "csv":
        with (tmp_path / "rows.csv").open(newline="") as file:
            assert list(csv.DictReader(file))[-1]["frame"] == "6"
    else:
        assert json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[-1])["frame"] == 6
    out.close()


def test_an_earlier_run_does_not_mix_with_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here: pip install 'emolens[tables]'")
    monkeypatch.setattr(rooms, "PART_ROWS", 5)
    written(tmp_path, "parquet")
    with Series(tmp_path, "parquet") as out:
        out.add(FRAMES[1])
    assert parquet.read_table(tmp_path / "rows")["frame"].to_pylist() == [1, 1, 1]


def test_a_folder_that_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for kind in ("parquet", "csv", "jsonl"):
        with pytest.raises(OutputError, match="file"):
            Series(tmp_path / "file" / "out", kind)
    with pytest.raises(UnknownName, match="parquet"):
        Series(tmp_path, "parket")


def test_a_full_disk_is_one_line_and_keeps_the_parts_before(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not here: pip install 'emolens[tables]'")
    pytest.importorskip("resource", reason="no limit on the size of files on this system")
    code = (
        "import resource, sys; from pathlib import Path; from fakes_video import frame\n"
        "from emolens.watching import series\n"
        "series.PART_ROWS = 10\n"
        "out = series.Series(Path(sys.argv[1]), 'parquet')\n"
        "for n in range(20): out.add(frame(n, n / 10, {1: 'fear'}))\n"
        "kept = out.kept\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"  # stands for a disk without room
        "try:\n    with out:\n        for n in range(20, 60): out.add(frame(n, n / 10, {1: 'fear'}))\n"
        "except Exception as error: print(type(error).__name__, kept, out.kept, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert done.stdout.startswith("OutputError 20 20 cannot write "), done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    assert sorted(set(parquet.read_table(tmp_path / "rows")["frame"].to_pylist())) == list(range(20))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_disk_that_fills_up_under_a_growing_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"rows.{kind}").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=f"rows.{kind}: No space left"), Series(tmp_path, kind) as out:
        out.add(FRAMES[0])


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_growing_file_holds_whole_lines_when_the_disk_is_full(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("resource", reason="no limit on the size of files on this system")
    code = (
        "import resource, sys; from pathlib import Path; from fakes_video import frame\n"
        "from emolens.watching import series\n"
        "series.FLUSH_S = 0.0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"  # stands for a disk without room
        "out = series.Series(Path(sys.argv[1]), sys.argv[2])\n"
        "try:\n    with out:\n        for n in range(99): out.add(frame(n, n / 10, {1: 'fear'}))\n"
        "except Exception as error: print(type(error).__name__, out.kept)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), kind], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    name, kept = done.stdout.split() if done.stdout else (done.stderr, "")
    text = (tmp_path / f"rows.{kind}").read_text()
    assert name == "OutputError"
    assert 2 < int(kept) < 99
    assert text.endswith("\n")
    found = list(csv.DictReader(text.splitlines())) if kind == "csv" else list(map(json.loads, text.splitlines()))
    assert [int(row["frame"]) for row in found] == [n for n in range(int(kept)) for _ in range(2)]


def test_a_face_that_was_placed_and_not_found_has_no_score() -> None:
    found = frame(3, 0.1, {1: "happiness"})
    placed = replace(found, detected=False)
    assert [row["det_score"] is None for row in rows(found) if row["target"] == "face"] == [False]
    assert [row["det_score"] is None for row in rows(placed) if row["target"] == "face"] == [True]
    assert (nested(found)["detected"], nested(placed)["detected"]) == (True, False)
