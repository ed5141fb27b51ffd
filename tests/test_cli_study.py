"""`emolens study` refuses, before any work, what it would ignore or write over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.cli.study import JUDGED, OPTIONS
from emolens.errors import Stopped
from emolens.learn.studies import STUDIES, Effort, study

GIVEN = {"seeds": ["--seeds", "2"], "epochs": ["--epochs", "2"], "as_published": ["--as-published"],
         "settings": ["--set", "net.size=96"]}  # fmt: skip
LEFT = {
    "emotion_wheel": "index.html",
    "evoked_default": "evoked_emotion6.onnx",
    "map_to_emotion": "results.json",
    "split_leak": "leaked-0",
    JUDGED: "results.json",
}


def refused(name: str, out: Path, *arguments: str) -> str:
    """What is said, in one line, of data that is not there: it is not looked at."""
    ran = CliRunner().invoke(app, ["study", name, "--data", str(out / "nowhere"), "--out", str(out), *arguments])
    assert ran.exit_code == 2
    assert ran.output.count("\n") == 1
    return ran.output


IGNORED = [(one.name, field) for one in STUDIES.values() for field in OPTIONS if field not in one.heeds]
IGNORED += [(JUDGED, field) for field in OPTIONS]


@pytest.mark.parametrize(("name", "field"), IGNORED)
def test_an_option_that_a_study_does_not_heed_is_refused_with_those_that_do(
    name: str, field: str, tmp_path: Path
) -> None:
    text = refused(name, tmp_path, *GIVEN[field])
    assert f"study {name} has no {OPTIONS[field]}; leave it out, it is for " in text
    assert all((one.name in text.partition("it is for ")[2]) is (field in one.heeds) for one in STUDIES.values())


def test_all_that_says_how_much_is_done_is_an_option() -> None:
    assert set(OPTIONS) == set(GIVEN) == set(Effort.__dataclass_fields__)
    assert {field for one in STUDIES.values() for field in one.heeds} == set(OPTIONS)


@pytest.mark.parametrize(("name", "left"), LEFT.items())
def test_a_study_is_not_written_over_another(name: str, left: str, tmp_path: Path) -> None:
    (tmp_path / left).mkdir()
    text = refused(name, tmp_path)
    assert f"holds a study already, as {left}; name another --out, or delete it" in text


def test_other_things_in_the_folder_do_not_matter_and_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "nowhere" in refused("split_leak", tmp_path)  # the data is what is missing
    assert "is a file, and a study is a folder" in refused("split_leak", tmp_path / "notes.txt")


def test_a_study_that_goes_on_with_what_is_there_may_be_repeated(tmp_path: Path) -> None:
    assert [one.name for one in STUDIES.values() if not one.writes] == ["stimuli_condition"]
    (tmp_path / "index.html").write_text("page")
    assert "nowhere" in refused("stimuli_condition", tmp_path)


def test_the_help_says_which_option_is_for_which_study() -> None:
    text = " ".join(CliRunner().invoke(app, ["study", "--help"], env={"COLUMNS": "100"}).output.split())
    assert "Of emotion_wheel: also score as the source did" in text
    assert "Of the recipe of stimuli_condition" in text
    for name in STUDIES:
        assert ("epochs" in STUDIES[name].heeds) is (name in text.partition("--epochs")[2].partition("--as-pub")[0])


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_there_to_be_run(name: str) -> None:
    assert callable(study(name).run)


def test_a_study_that_is_stopped_ends_with_the_signals_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> Path:
        raise Stopped("leak/leaked-0: stopped by SIGTERM in epoch 3; the epochs before it are saved", signal.SIGTERM)

    monkeypatch.setattr("emolens.learn.studies.split_leak.run", stopped)
    monkeypatch.setattr("emolens.data.given.prepared_folder", lambda data, *_: data)
    ran = CliRunner().invoke(app, ["study", "split_leak", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 143
    assert "--resume" not in ran.output  # which study does not have
    assert ran.output.count("\n") == 1
