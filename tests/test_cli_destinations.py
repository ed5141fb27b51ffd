"""Where a report or a table is to go is looked at before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.cli.destinations import check_report
from emolens.errors import OutputError
from emolens.evaluation.storing import write_predictions
from fakes import linear_model
from fakes_predictions import table


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("evaluate", "m.onnx", "--out", "notes.txt"), "--out notes.txt is a file, and a report is a folder"),
        (("evaluate", "m.onnx", "--out", "notes.txt/report"), "notes.txt is a file, not a folder"),
        (("evaluate", "m.onnx", "--out", "full"), "--out full: holds something that is no report"),
        (("evaluate", "m.onnx", "--out", "long/" + 300 * "x"), "cannot be written (File name too long)"),
        (("predict", "m.onnx", "--out", "t.csv"), "--out is t.csv, needs a name that ends in .parquet or .npz"),
        (("predict", "m.onnx", "--out", "folder.npz"), "--out folder.npz is a folder"),
        (("predict", "m.onnx", "--out", "notes.txt/t.npz"), "notes.txt is a file, not a folder"),
        (("predict", "m.onnx", "--layout", "legacy", "--out", "t.npz"), "named after its model's number"),
    ],
)
def test_a_place_that_cannot_be_is_told_before_the_data_is_looked_for(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linear_model(Path("m.onnx"))
    Path("notes.txt").write_text("mine", encoding="utf-8")
    for name in ("full", "folder.npz"):
        Path(name).mkdir()
    (Path("full") / "thesis.txt").write_text("years of work", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    answer = CliRunner().invoke(app, [*arguments, "--data", "nowhere"])
    assert answer.exit_code == 2
    assert says in answer.output
    assert len(answer.output.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before  # and nothing was left behind


def test_an_ensemble_is_not_worked_out_for_a_file(tmp_path: Path) -> None:
    write_predictions(table(), tmp_path / "t.npz")
    answer = CliRunner().invoke(app, ["ensemble", *2 * [str(tmp_path / "t.npz")], "--out", str(tmp_path / "t.npz")])
    assert answer.exit_code == 2
    assert "is a file, and several are written; name a folder" in answer.output
    assert "mean" not in answer.output


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        check_report(tmp_path / "a" / "report")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no file system here in which nothing can be made")
def test_where_nothing_can_be_made_is_told_to_whoever_may_write_anywhere() -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        check_report(Path("/proc/emolens/report"))


def test_a_report_may_be_replaced_and_folders_on_the_way_are_made_later(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "figures.json").write_text("{}", encoding="utf-8")
    for place in ("old", "new/and/deep"):
        check_report(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]
