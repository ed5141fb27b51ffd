"""`emolens data`, through the door that a user takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.registry import names
from fakes_data import draw, emotion6, folder, rafdb, write_rows

pytest.importorskip("pyarrow", reason="prepared data needs the extra tables")


def data(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["data", *map(str, arguments)], terminal_width=100)
    return answer.exit_code, answer.output


def one_line(said: str) -> str:
    assert len(said.strip().splitlines()) == 1
    return said


def test_without_a_command_the_help_is_shown() -> None:
    code, said = data()
    assert code == 0
    assert all(command in said for command in ("list", "check", "prepare", "audit", "stats"))


def test_list_says_what_each_set_is_and_what_to_obtain(tmp_path: Path) -> None:
    code, said = data("list")
    assert code == 0
    assert all(name in said for name in names())
    assert "35,887 rows" in said
    assert "obtain" in said
    assert data("list", "--json", tmp_path / "sets.json") == (0, "")
    found = {one["name"]: one for one in json.loads((tmp_path / "sets.json").read_text())}
    assert found["ferplus"]["n"] == 28389 + 3553 + 3546
    assert found["ferplus"]["options"]["subset"]["allowed"][0] == "argmax"
    assert found["folder"]["classes"] is None


def test_check_ends_with_a_verdict_and_its_exit_code(tmp_path: Path) -> None:
    folder(tmp_path)
    code, said = data("check", "folder", tmp_path)
    assert (code, said.splitlines()[-1].startswith("verdict: complete")) == (0, True)
    (tmp_path / "train/Happy/1.png").write_bytes(b"no picture")
    code, said = data("check", "folder", tmp_path, "--json", tmp_path / "report.json")
    assert code == 1
    assert "1.png" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["verdict"], report["faults"]) == ("faulty", {"unreadable": 1})
    assert data("check", "folder", tmp_path, "--names-only")[0] == 0


def test_prepare_tells_rows_and_what_was_left_out_and_goes_on(tmp_path: Path) -> None:
    rafdb(tmp_path / "archive")
    wanted = ("prepare", "rafdb", tmp_path / "archive", "--out", tmp_path / "out")
    code, said = data(*wanted, "--val-share", 0.5)
    assert code == 0, said
    assert "val: 1 rows cut from train" in said
    assert data(*wanted, "--val-share", 0.5) == (code, said)
    code, said = data(*wanted)
    assert code == 2
    assert "other options" in one_line(said)


def test_prepare_skips_faulty_rows_only_when_asked(tmp_path: Path) -> None:
    folder(tmp_path / "archive")
    (tmp_path / "archive/train/sad/2.png").write_bytes(b"no picture")
    wanted = ("prepare", "folder", tmp_path / "archive", "--out", tmp_path / "out")
    code, said = data(*wanted)
    assert code == 2
    assert "train/sad/2.png" in one_line(said)
    code, said = data("prepare", "folder", tmp_path / "archive", "--out", tmp_path / "other", "--skip-faulty")
    assert code == 0
    assert "left out for a fault (unreadable): 1" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prepare", "emotion7", ".", "--out", "out"), "Did you mean 'emotion6'"),
        (("prepare", "emotion6", ".", "--out", "out"), "ground_truth.txt"),
        (("prepare", "emotion6", "nowhere", "--out", "out"), "no such file or folder"),
        (("prepare", "emotion6", ".", "--out", "out", "--set", "labell=top"), "Did you mean 'label'"),
        (("prepare", "emotion6", ".", "--out", "out", "--set", "label=best"), "allowed: keyword, top"),
        (("prepare", "emotion6", ".", "--out", "out", "--set", "label"), "option=value"),
        (("prepare", "emotion6", ".", "--out", "out", "--val-share", "2"), "val_share is 2"),
        (("prepare", "emotion6", "."), "--out"),
        (("check", "emotion6", "nowhere"), "no such file or folder"),
        (("stats", "."), "not a prepared data set"),
        (("stats", "emotion7", "."), "Did you mean 'emotion6'"),
        (("stats", ".", "--set", "label=top"), "NAME ROOT"),
        (("audit", "nowhere"), "no such file or folder"),
        (("audit", ".", "--fail-on", "leek"), "Did you mean 'leak'"),
        (("audit", ".", "--distance", "200"), "200"),
    ],
)
def test_wrong_words_get_one_line_and_exit_code_2(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = data(*arguments)
    assert code == 2
    assert says in one_line(said)
    assert not list(tmp_path.iterdir())


def test_stats_of_an_archive_and_of_its_prepared_folder_are_the_same(tmp_path: Path) -> None:
    emotion6(tmp_path / "archive")
    assert data("prepare", "emotion6", tmp_path / "archive", "--out", tmp_path / "out", "--val-share", 0)[0] == 0
    code, said = data("stats", "emotion6", tmp_path / "archive", "--json", tmp_path / "one.json")
    assert (code, data("stats", tmp_path / "out", "--json", tmp_path / "other.json")) == (0, (0, said))
    assert "mean distribution" in said
    assert "valence" in said
    assert json.loads((tmp_path / "one.json").read_text()) == json.loads((tmp_path / "other.json").read_text())


def test_stats_name_the_rows_that_they_leave_out(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", [("path", "p_joy", "p_sad"), ("1.png", 0.5, 0.5), ("2.png", 0.5, 0.6)])
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.png")
    code, said = data("stats", "table", tmp_path)
    assert code == 1
    assert "left out for a fault (distribution): 1\n" in said
    assert "a.csv:3: probabilities sum to 1.1" in said


def test_a_title_stays_on_its_line(tmp_path: Path) -> None:
    folder(tmp_path / "archive")
    out = tmp_path / "a folder with a long name"
    said = data("prepare", "folder", tmp_path / "archive", "--out", out)[1]
    assert said.splitlines()[0] == f"A folder of pictures in {out}"


def test_stats_to_standard_output_are_json_alone(tmp_path: Path) -> None:
    folder(tmp_path)
    code, said = data("stats", "folder", tmp_path, "--json", "-")
    assert code == 0
    assert json.loads(said)["counts"] == {"train": {"happiness": 1, "sadness": 1}, "val": {"happiness": 1}}


def test_audit_fails_only_on_what_it_is_told_to(tmp_path: Path) -> None:
    for split in ("train", "val"):
        draw(tmp_path / "pictures/same.png", 1)
        draw(tmp_path / f"pictures/{split}.png", len(split))
        rows = [("pictures/same.png", "happy"), (f"pictures/{split}.png", "sad")]
        write_rows(tmp_path / f"{split}.csv", [("path", "label"), *rows])
    lists = (tmp_path / "train.csv", tmp_path / "val.csv", "--root", tmp_path, "--no-near")
    code, said = data("audit", *lists, "--json", tmp_path / "audit.json")
    assert code == 0
    assert "path" in said.splitlines()[-1]
    found = json.loads((tmp_path / "audit.json").read_text())
    assert [(one["split"], one["rows"]) for one in found["overlaps"] if one["kind"] == "path"] == [("val", 1)]
    assert data("audit", *lists, "--fail-on", "subject")[0] == 0
    code, said = data("audit", *lists, "--fail-on", "leak")
    assert code == 1
    assert "failed: path, bytes, pixels" in said


def test_audit_reads_a_prepared_set_and_named_splits(tmp_path: Path) -> None:
    folder(tmp_path / "archive")
    assert data("prepare", "folder", tmp_path / "archive", "--out", tmp_path / "out")[0] == 0
    code, said = data("audit", tmp_path / "out", "--no-near", "--json", "-")
    assert code == 0, said
    assert {s["name"]: s["rows"] for s in json.loads(said)["splits"]} == {"train": 2, "val": 1}
    named = (f"first={tmp_path / 'out/train'}", f"second={tmp_path / 'out/train'}")
    said = data("audit", *named, "--no-near", "--json", "-")[1]
    assert {s["name"]: s["rows"] for s in json.loads(said)["splits"]} == {"first": 2, "second": 2}
