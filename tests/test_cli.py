"""The command line as people and scripts meet it: exit codes, one-line errors, what goes where, whole files."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emolens import __version__
from emolens.cli import app
from emolens.cli.annotated import AnnotatedPictures
from emolens.cli.console import Screen
from emolens.cli.leaving import Signals
from emolens.cli.tally import Tally
from emolens.group import group_affect
from emolens.records import Face, PhotoResult, Prediction
from emolens.taxonomy import FERPLUS
from fakes import evoked_card, evoked_model, linear_card, linear_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line; gives the exit code and both outputs."""
    monkeypatch.setenv("COLUMNS", "100")

    def command(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            app([str(a) for a in args], prog_name="emolens")
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


@pytest.fixture
def crop(run: Run, tmp_path: Path) -> Run:
    """`emolens analyze` on pictures that are faces already, with a small random net."""
    (tmp_path / "net").mkdir()
    model = linear_model(tmp_path / "net" / "linear.onnx")

    def command(*args: object) -> tuple[int, str, str]:
        return run("analyze", "--whole-image", "--model", model, *args)

    return command


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (40, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def one_line(err: str, *parts: str) -> None:
    assert err.startswith("emolens: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err


# --- the start -------------------------------------------------------------------------------------------------------


def test_version_and_help(run: Run) -> None:
    assert run("--version") == (0, f"emolens {__version__}\n", "")
    for args in ([], ["--help"], ["-h"]):
        code, out, _ = run(*args)
        assert code == 0
        assert all(name in out for name in ("analyze", "models", "doctor"))
    code, out, _ = run("analyze", "--help")
    for option in ("--task", "--whole-image", "--out", "--json", "--csv", "--parquet", "--detector", "--model"):
        assert option in out
    assert "--abstain-below" in out
    assert "--strict" in out


def test_help_loads_nothing_heavy() -> None:
    heavy = ["torch", "matplotlib", "cv2", "onnxruntime", "onnx", "numpy", "PIL", "pyarrow"]
    code = (
        "import sys\nfrom emolens.cli import main\nsys.argv = ['emolens', '--help']\n"
        f"try:\n    main()\nexcept SystemExit:\n    print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["analyse"], ["'analyse'", "analyze"]),
        (["analyze", "a.jpg", "--jsn", "-"], ["--jsn", "--json"]),
        (["analyze"], ["SOURCES"]),
        (["analyze", "a.jpg", "--abstain-below", "much"], ["much", "--abstain-below"]),
        (["models", "shwo"], ["show"]),
        (["models", "show", "mtcn"], ["'mtcn'", "mtcnn"]),
        (["models", "fetch", "yunte"], ["'yunte'", "yunet"]),
        (["models", "fetch"], ["--all"]),
        (["models", "show", "nowhere.onnx"], ["nowhere.onnx", "models list"]),
    ],
)
def test_a_usage_error_is_one_line_that_names_the_near_miss(run: Run, args: list[str], parts: list[str]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    one_line(err, *parts)


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["--abstain-below", "1.5"], ["1.5", "0 to 1"]),
        (["--min-score", "2"], ["2", "0 to 1"]),
        (["--min-score", "high"], ["--min-score", "'high'"]),
        (["--task", "mood"], ["'mood'", "expression"]),
        (["--task", "stimuly"], ["'stimuly'", "Did you mean 'stimuli'"]),
        (["--task", "expresion"], ["Did you mean 'expression'"]),
        (["--threads", "0"], ["--threads", "1 or more"]),
        (["--batch-size", "0"], ["0", "1 picture"]),
        (["--model", "nowhere.onnx"], ["nowhere.onnx"]),
        (["--json", "-", "--csv", "-"], ["two results"]),
        (["--csv", "same.txt", "--json", "./same.txt"], ["two results", "same.txt"]),
        (["--parquet", "-"], ["--csv -"]),
        (["--csv", "no/such/\0/r.csv"], []),
    ],
)
def test_an_option_with_a_wrong_value_is_one_line(
    run: Run, tmp_path: Path, args: list[str], parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]") if "--parquet" in args else None
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in args else ["--model", linear_model(tmp_path / "net.onnx")]
    code, out, err = run("analyze", picture(tmp_path / "a.png"), "--whole-image", *model, *args)
    assert (code, out) == (2, "")
    one_line(err, *parts)
    assert not list(tmp_path.glob("*.csv"))


# --- what goes where -------------------------------------------------------------------------------------------------


def test_a_table_for_people_is_on_the_standard_output(crop: Run, tmp_path: Path) -> None:
    code, out, err = crop(picture(tmp_path / "a.png"))
    assert (code, err) == (0, "")
    assert "a.png" in out
    assert "48 × 40" in out  # noqa: RUF001
    assert "1 face" in out
    assert "█" in out
    assert "group" in out
    assert "not feeling" in out


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_data_takes_the_standard_output_and_the_table_moves_aside(crop: Run, tmp_path: Path, option: str) -> None:
    code, out, err = crop(picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), option, "-")
    assert code == 0
    assert "█" in err
    if option == "--json":
        assert [record["status"] for record in json.loads(out)] == ["ok", "ok"]
    else:
        assert [row["target"] for row in csv.DictReader(io.StringIO(out))] == ["face", "group"] * 2


def test_quiet_says_nothing(crop: Run, tmp_path: Path) -> None:
    assert crop(picture(tmp_path / "a.png"), "--quiet") == (0, "", "")


def test_all_files_tell_the_same(crop: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs the extra [tables]")
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "csv", "parquet")}
    code, _, _ = crop(picture(tmp_path / "a.png"), *(x for kind, path in files.items() for x in (f"--{kind}", path)))
    assert code == 0
    (record,) = json.loads(files["json"].read_text(encoding="utf-8"))
    with files["csv"].open(newline="") as file:
        row = next(csv.DictReader(file))
    typed = parquet.read_table(files["parquet"]).to_pylist()[0]
    said = record["faces"][0]
    assert said["label"] == row["label"] == typed["label"]
    for name, share in said["distribution"].items():
        assert float(row[f"p_{name}"]) == pytest.approx(share, abs=1e-6)
        assert typed[f"p_{name}"] == pytest.approx(share, abs=1e-6)
    assert len(row["model_sha"]) == 64


def test_tasks_may_be_chosen(crop: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png")
    for args, tasks in (
        (["--task", "expression"], ["expression"]),
        (["--task", "group"], ["group"]),
        (["--task", "group,expression"], ["expression", "group"]),
        (["--task", "group", "--task", "expression"], ["expression", "group"]),
    ):
        _, out, _ = crop(photo, *args, "--csv", "-")
        assert [row["task"] for row in csv.DictReader(io.StringIO(out))] == tasks


def test_abstaining_says_unsure_and_gives_no_label(crop: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "a.png")
    _, out, err = crop(photo, "--abstain-below", "1", "--csv", "-")
    row = next(csv.DictReader(io.StringIO(out)))
    assert (row["status"], row["label"]) == ("abstained", "")
    assert "unsure" in err


def test_the_standard_input_is_a_source_and_is_drawn(tmp_path: Path) -> None:
    model = linear_model(tmp_path / "net.onnx")
    args = ["analyze", "-", "--whole-image", "--model", model, "--json", "-", "--out", tmp_path / "out"]
    code = "from emolens.cli import main; main()"
    photo = picture(tmp_path / "a.png").read_bytes()
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], input=photo, capture_output=True, check=True)
    assert json.loads(done.stdout)[0]["source"] == "-"
    assert (tmp_path / "out" / "picture_annotated.jpg").is_file()


# --- what a picture evokes -------------------------------------------------------------------------------------------


@pytest.fixture
def evokes(run: Run, tmp_path: Path) -> Run:
    """`emolens analyze --task evoked` with a small random net."""
    (tmp_path / "net").mkdir()
    model = evoked_model(tmp_path / "net" / "evoked.onnx")

    def command(*args: object) -> tuple[int, str, str]:
        return run("analyze", "--task", "evoked", "--model", model, *args)

    return command


def test_what_a_picture_evokes_is_told_with_the_terms_of_its_data_first(evokes: Run, tmp_path: Path) -> None:
    code, out, err = evokes(picture(tmp_path / "a.png"))
    assert (code, err) == (0, "")
    first, title, *table = out.splitlines()
    assert first == "linear_evoked learnt from Six Tests: academic research only"
    assert title.endswith("a.png  48 × 40")  # noqa: RUF001  nobody looked for faces, and nothing is said about any
    assert any(line.strip().startswith("evokes ") and "█" in line for line in table)
    assert any("valence" in line and "arousal" in line for line in table)
    assert "not felt by those in the picture" in out
    assert "face" not in out
    listed = evokes(picture(tmp_path / "a.png"), "--csv", "-")
    assert listed[2].startswith("linear_evoked learnt from")
    (row,) = csv.DictReader(io.StringIO(listed[1]))
    assert (row["target"], row["task"], row["status"]) == ("image", "evoked", "ok")
    assert 1 <= float(row["valence"]) <= 9
    assert evokes(picture(tmp_path / "a.png"), "--quiet") == (0, "", "")


def test_beside_a_face_it_is_one_more_row(run: Run, tmp_path: Path) -> None:
    models = ["--model", linear_model(tmp_path / "f.onnx"), "--model", evoked_model(tmp_path / "e.onnx")]
    args = ["--task", "expression,evoked", "--whole-image", *models]
    code, out, _ = run("analyze", picture(tmp_path / "a.png"), *args, "--csv", tmp_path / "r.csv")
    assert code == 0
    rows = [line.split()[0] for line in out.splitlines() if "█" in line]
    assert rows == ["1", "evokes"]
    assert "a person feels" in out
    with (tmp_path / "r.csv").open(newline="") as file:
        assert [(row["target"], row["task"]) for row in csv.DictReader(file)] == [
            ("face", "expression"), ("image", "evoked")]  # fmt: skip


def test_a_model_that_may_be_used_freely_has_no_line_of_terms(run: Run, tmp_path: Path) -> None:
    free = evoked_card(licences=linear_card().licences)
    out = run(
        "analyze", picture(tmp_path / "a.png"), "--model", evoked_model(tmp_path / "e.onnx", free), "--task", "evoked"
    )[1]
    assert "learnt from" not in out


def test_many_pictures_evoke_a_line_each_and_a_summary(evokes: Run, tmp_path: Path) -> None:
    photos = [picture(tmp_path / f"{n}.png", n) for n in range(5)]
    code, out, _ = evokes(*photos, tmp_path / "gone.png")
    assert code == 0
    assert sum(" evokes " in line for line in out.splitlines()) == 5
    assert "6 pictures" in out
    assert "5 read" in out
    assert "1 not found" in out
    assert "pictures evoke" in out
    assert "0 faces" not in out


def test_what_a_picture_evokes_is_drawn_and_not_taken_for_a_photo_later(evokes: Run, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for folder in ("a", "b"):
        picture(photos / folder / "x.png")
    assert evokes(photos, "--out", photos)[0] == 0
    assert sorted(p.name for p in photos.iterdir() if p.is_file()) == ["results.csv", "results.json"]
    for folder in ("a", "b"):
        drawn = sorted(p.name for p in (photos / folder).iterdir())
        assert drawn == ["x.png", "x_annotated.jpg", "x_evoked.png", "x_evoked.svg"]
    with Image.open(photos / "a" / "x_evoked.png") as sheet:
        assert sheet.width > 1000
    assert (photos / "a" / "x_evoked.svg").read_text(encoding="utf-8").startswith("<svg ")
    record = json.loads((photos / "results.json").read_text(encoding="utf-8"))[0]
    assert record["evoked"]["valence"] is not None
    evokes(photos, "--json", tmp_path / "again.json")
    assert len(json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))) == 2


def test_a_model_of_another_task_is_one_line(run: Run, tmp_path: Path) -> None:
    photo, model = picture(tmp_path / "a.png"), evoked_model(tmp_path / "e.onnx")
    code, out, err = run("analyze", photo, "--task", "expression", "--model", model)
    assert (code, out) == (2, "")
    one_line(err, "e.onnx is for task 'evoked'", "not asked for (expression)")


# --- folders and annotated pictures ----------------------------------------------------------------------------------


def test_out_holds_pictures_and_both_tables_and_no_name_meets_another(crop: Run, tmp_path: Path) -> None:
    sources = [picture(tmp_path / folder / "face.png", n) for n, folder in enumerate(("a", "b"))]
    sources.append(picture(tmp_path / "c" / "FACE.jpg", 2))
    code, _, _ = crop(*sources, "--out", tmp_path / "out")
    assert code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    pictures = ["FACE_annotated_3.jpg", "face_annotated.jpg", "face_annotated_2.jpg"]
    assert names == [*pictures, "results.csv", "results.json"]
    with Image.open(tmp_path / "out" / "face_annotated.jpg") as drawn:
        assert drawn.width >= 320


def test_out_has_the_subfolders_of_the_folders_that_are_named(crop: Run, tmp_path: Path) -> None:
    for n, name in enumerate(("1.png", "fear/1.png", "fear/of/1.png", "joy/1.png")):
        picture(tmp_path / "in" / name, n)
    alone = picture(tmp_path / "else" / "fear" / "1.png", 5)
    other = picture(tmp_path / "more" / "fear" / "1.png", 6)
    code, _, _ = crop(tmp_path / "in", alone, other.parent.parent, "--out", tmp_path / "out")
    assert code == 0
    drawn = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg"))
    assert drawn == [
        "1_annotated.jpg", "1_annotated_2.jpg", "fear/1_annotated.jpg", "fear/1_annotated_2.jpg",
        "fear/of/1_annotated.jpg", "joy/1_annotated.jpg",
    ]  # fmt: skip


def test_a_picture_in_a_data_uri_longer_than_any_file_name_is_analyzed(crop: Run, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png").read_bytes()
    uri = "data:image/png;base64," + base64.b64encode(image).decode()
    assert len(uri) > 5000
    code, _, err = crop(uri, "--json", tmp_path / "o.json")
    assert code == 0, err
    assert json.loads((tmp_path / "o.json").read_text())[0]["status"] == "ok"


def test_out_never_overwrites_a_photo_of_the_user(crop: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    kept = [picture(folder / "a.jpg", 1), picture(folder / "a_annotated.jpg", 2)]
    before = [path.read_bytes() for path in kept]
    code, _, _ = crop(folder, "--out", folder)
    assert code == 0
    assert [path.read_bytes() for path in kept] == before
    assert (folder / "a_annotated_2.jpg").is_file()


def test_a_second_run_does_not_take_its_own_drawings_for_photos(crop: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    picture(folder / "a.png", 1)
    picture(folder / "holiday_annotated.jpg", 2)  # a photo, whatever its name
    said = []
    for _ in range(2):
        assert crop(folder, "--out", folder / "out")[0] == 0
        assert crop(folder / "*.[jp]*g", "--out", folder)[0] == 0
        said.append([row["source"] for row in json.loads((folder / "results.json").read_text(encoding="utf-8"))])
    assert [Path(source).name for source in said[0]] == ["a.png", "holiday_annotated.jpg"]
    assert said[0] == said[1]
    drawn = ["a_annotated.jpg", "holiday_annotated_annotated.jpg"]
    assert sorted(path.name for path in (folder / "out").glob("*.jpg")) == drawn
    alone = crop(folder / "a_annotated.jpg", "--json", "-")[1]  # a file that is named itself is taken
    assert json.loads(alone)[0]["status"] == "ok"


def test_names_of_urls_and_strange_names_make_file_names(tmp_path: Path) -> None:
    pictures = AnnotatedPictures(tmp_path, [])
    sources = ["https://example.org/x/me%20too.jpg?size=2", "data:image/png;base64,… (9 characters)", "a:b|c?.png"]
    for source in sources:
        result = PhotoResult(source, "no_face", (40, 40))
        pictures.add(str(picture(tmp_path / "in" / "p.png")), result)
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert names == ["a_b_c__annotated.jpg", "me%20too_annotated.jpg", "picture_annotated.jpg"]


def test_many_pictures_have_a_line_each_and_a_summary(crop: Run, tmp_path: Path) -> None:
    for n in range(5):
        picture(tmp_path / "in" / f"{n}.png", n)
    code, out, _ = crop(tmp_path / "in", "--task", "expression")
    assert code == 0
    assert sum(f"{n}.png" in line for line in out.splitlines() for n in range(5)) == 5
    assert "5 pictures · 5 faces" in out


def test_a_photo_goes_through_the_detector_in_the_box(run: Run, tmp_path: Path) -> None:
    astronaut = pytest.importorskip("skimage.data", reason="the photo comes with scikit-image").astronaut()
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    model = linear_model(tmp_path / "net.onnx")
    faces = ["--model", model, "--task", "expression,group"]
    code, out, err = run("analyze", tmp_path / "astronaut.png", *faces, "--csv", "-", "--min-face", "60")
    assert code == 0
    assert "mtcnn" in err
    face, group = csv.DictReader(io.StringIO(out))
    assert (face["target"], group["target"]) == ("face", "group")
    nose = (226, 123)  # measured on the photo, as are the sides of the face: x 180 to 270, y 75 to 178
    assert 150 < float(face["x1"]) < nose[0] < float(face["x2"]) < 300
    assert 40 < float(face["y1"]) < nose[1] < float(face["y2"]) < 210
    _, out, _ = run("analyze", tmp_path / "astronaut.png", *faces, "--min-face", "400")
    assert "no face found" in " ".join(out.split())


# --- bad input -------------------------------------------------------------------------------------------------------


def bad_files(folder: Path) -> dict[str, Path]:
    """One file of every kind that cannot be read, by the status that it must have."""
    folder.mkdir()
    whole = picture(folder / "whole.png").read_bytes()
    (folder / "whole.png").unlink()
    size = b"IHDR" + struct.pack(">II5B", 20_000, 20_000, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + size + struct.pack(">I", zlib.crc32(size)) + whole[33:]
    contents = {
        "unreadable_empty.jpg": b"",
        "unreadable_truncated.png": whole[: len(whole) // 2],
        "unreadable_text.jpg": b"this is no picture",
        "too_large_bomb.png": bomb,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    picture(folder / "too_small.png", size=(1, 1))
    return {path.name: path for path in sorted(folder.iterdir())}


def test_in_a_folder_bad_files_are_rows_and_the_others_go_on(crop: Run, tmp_path: Path) -> None:
    bad = bad_files(tmp_path / "in")
    picture(tmp_path / "in" / "z.png")
    missing = tmp_path / "in" / "gone.jpg"
    args = (tmp_path / "in", missing, "--csv", tmp_path / "r.csv", "--out", tmp_path / "out")
    code, out, err = crop(*args)
    assert code == 0
    one_line(err, f"{len(bad) + 1} of {len(bad) + 2} pictures could not be read", "3 unreadable", "1 not_found")
    with (tmp_path / "r.csv").open(newline="") as file:
        statuses = {Path(row["source"]).name: row["status"] for row in csv.DictReader(file)}
    for name in bad:
        assert name.startswith(statuses[name]), name
    assert statuses["gone.jpg"] == "not_found"
    assert statuses["z.png"] == "ok"
    assert "empty" in out
    assert crop(*args, "--strict")[0] == 1


def test_a_lone_picture_that_cannot_be_read_is_a_mistake_to_mend(crop: Run, tmp_path: Path) -> None:
    bad = bad_files(tmp_path / "in")
    for source in [*bad.values(), tmp_path / "gone.jpg", tmp_path / "*.xyz"]:
        code, out, err = crop(source, "--csv", tmp_path / "r.csv", "--json", "-", "--out", tmp_path / "out")
        assert (code, out) == (2, ""), source
        one_line(err, source.name)
        assert "Limits" not in err or "in Python: Limits" in err  # the command line has no such option
    assert not (tmp_path / "r.csv").exists()
    assert not (tmp_path / "out").exists()


def test_sources_that_all_are_missing_are_a_mistake_to_mend(crop: Run, tmp_path: Path) -> None:
    code, _, err = crop(tmp_path / "a.jpg", tmp_path / "b.jpg", "--quiet")
    assert code == 2
    assert "no source names a picture" in err


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_that_may_not_be_written(crop: Run, tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    code, _, err = crop(picture(tmp_path / "a.png"), "--csv", tmp_path / "shut" / "r.csv")
    assert code == 2
    one_line(err, "cannot write")


def test_a_file_in_the_way_of_a_folder(crop: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    code, _, err = crop(picture(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert code == 2
    one_line(err, "cannot write")
    assert (tmp_path / "out").read_text() == "mine"


# --- leaving early ---------------------------------------------------------------------------------------------------


def test_a_signal_ends_the_loop_after_the_turn_in_which_it_came() -> None:
    seen = []
    with Signals() as signals:
        for n in signals.until_one_comes(range(10)):
            if n == 3:
                signal.raise_signal(signal.SIGINT)
            seen.append(n)  # the turn is finished all the same
    assert seen == [0, 1, 2, 3]
    assert signals.came == signal.SIGINT


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_analysed_before_ctrl_c_is_whole(tmp_path: Path, number: signal.Signals, code: int) -> None:
    model = linear_model(tmp_path / "net.onnx")
    for n in range(12):
        picture(tmp_path / "in" / f"{n}.png", n)
    args = ["analyze", tmp_path / "in", "--whole-image", "--model", model, "--batch-size", "1", "--csv"]
    script = (
        "import sys, time, emolens.analyzer as a\nfrom emolens.cli import main\nmany = a.Analyzer.analyze_many\n"
        "def slow(self, sources, **k):\n    for n, r in enumerate(many(self, sources, **k)):\n"
        "        if n == 5:\n            print('waiting', file=sys.stderr, flush=True)\n            time.sleep(60)\n"
        "        yield r\n"
        "a.Analyzer.analyze_many = slow\nmain()"
    )
    command = [sys.executable, "-c", script, *map(str, args), str(tmp_path / "r.csv"), "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    timer = threading.Timer(60, process.kill)
    timer.start()
    assert process.stderr.readline() == "waiting\n"
    process.send_signal(number)
    err = process.stderr.read()
    assert process.wait() == code
    timer.cancel()
    one_line(err, "stopped after 5 pictures")
    with (tmp_path / "r.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "net.json", "net.onnx", "r.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is told by POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-c", "from emolens.cli import main; main()", "models", "list", "--json", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.communicate()[1] == b""
    assert process.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is told by POSIX")
def test_a_reader_that_leaves_the_table_is_told_alike(tmp_path: Path) -> None:
    model, photo = linear_model(tmp_path / "net.onnx"), picture(tmp_path / "a.png")
    command = [sys.executable, "-c", "from emolens.cli import main; main()", "analyze", "--whole-image"]
    process = subprocess.Popen([*command, "--model", model, photo], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.communicate()[1] == b""
    assert process.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is told by POSIX")
@pytest.mark.parametrize("output", [[], ["--csv", "-"], ["--json", "-"]])
def test_what_was_analysed_before_the_reader_left_is_whole(tmp_path: Path, output: list[str]) -> None:
    for n in range(40):  # more than fits in the buffer of the standard output
        picture(tmp_path / "in" / f"{n:02}.png", n)
    model, kept = linear_model(tmp_path / "net.onnx"), "--csv" if "--json" in output else "--json"
    command = [sys.executable, "-c", "from emolens.cli import main; main()", "analyze", tmp_path / "in"]
    command += ["--whole-image", "--model", model, kept, tmp_path / "kept", *output]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.communicate()
    assert process.returncode == 141
    text = (tmp_path / "kept").read_text(encoding="utf-8")
    rows = json.loads(text) if kept == "--json" else list(csv.DictReader(io.StringIO(text)))
    assert Path(rows[0]["source"]).name == "00.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "kept", "net.json", "net.onnx"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is told by Linux")
@pytest.mark.parametrize("said", [("models", "list", "--json", "-"), ("recipes",), ("--help",), ("--version",)])
def test_a_full_disk_is_one_line(said: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from emolens.cli import main; main()", *said]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    one_line(ended.stderr, "No space left")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
def test_no_result_takes_the_place_of_a_pipe(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # or of a device: who is root would lose it
    code, _, err = run("models", "list", "--json", tmp_path / "pipe")
    assert code == 2
    one_line(err, "pipe: it is a device or a pipe; name a file")
    assert (tmp_path / "pipe").is_fifo()


def test_no_result_takes_the_place_of_a_photo_or_a_model(crop: Run, tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.jpg"), picture(tmp_path / "b.jpg")
    before = first.read_bytes()
    code, _, err = crop("--csv", first, second)
    assert code == 2
    one_line(err, "a.jpg is a picture", "results.csv")
    assert first.read_bytes() == before
    card = tmp_path / "net" / "linear.json"
    code, _, err = crop("--json", card, second)
    assert code == 2
    one_line(err, "linear.json is a picture or another input")


@pytest.mark.parametrize("option", ["--out", "--json", "--csv", "--parquet"])
def test_an_output_without_a_name_is_refused(crop: Run, tmp_path: Path, option: str) -> None:
    code, _, err = crop(option, "", picture(tmp_path / "a.png"))
    assert code == 2
    one_line(err, f"{option} is empty")


# --- the screen ------------------------------------------------------------------------------------------------------


def group_photo(n: int) -> PhotoResult:
    rng = np.random.default_rng(0)
    faces = tuple(Face(np.array([40 * k, 10, 40 * k + 30, 50], np.float32), 0.9) for k in range(n))
    shares = rng.dirichlet(np.ones(8), n).astype(np.float32)
    said = tuple(
        Prediction("expression", FERPLUS, d, float(d.max()), "net", f) for d, f in zip(shares, faces, strict=True)
    )
    return PhotoResult(
        "a/" * 40 + "b.jpg", "ok", (1200, 80), faces, said, group_affect(said, faces, (1200, 80)), "mtcnn"
    )


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_fits_the_terminal(capsys: pytest.CaptureFixture[str], width: int) -> None:
    screen, tally = Screen(width=width), Tally()
    result = group_photo(12)
    screen.photo(result)
    table = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in table)
    if width >= 80:
        assert "…" not in "".join(table)
        assert sum("%" in line for line in table) == 13
    screen.line(result)
    (line,) = capsys.readouterr().out.splitlines()
    assert "b.jpg" in line
    assert "12 faces" in line
    tally.add(result)
    screen.summary(tally)
    assert "1 picture · 12 faces" in capsys.readouterr().out


def test_the_screen_names_the_device_where_it_is_not_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    for provider, named in (("CUDAExecutionProvider", True), ("CPUExecutionProvider", False)):
        screen = Screen(width=200, provider=provider)
        screen.photo(group_photo(1))
        screen.summary(Tally())
        assert capsys.readouterr().out.count(" · on CUDA") == 2 * named


def test_a_terminal_without_the_letters_still_works(tmp_path: Path) -> None:
    args = ["analyze", picture(tmp_path / "é.png"), "--whole-image", "--model", linear_model(tmp_path / "net.onnx")]
    done = subprocess.run(
        [sys.executable, "-c", "from emolens.cli import main; main()", *map(str, args)],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True,
    )  # fmt: skip
    assert b"###" in done.stdout


# --- models and doctor -----------------------------------------------------------------------------------------------


def test_models_are_listed_with_their_licences(run: Run) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    assert all(word in out for word in ("mtcnn", "yunet", "code", "data", "weights", "Apache-2.0"))
    listed = json.loads(run("models", "list", "--json", "-")[1])
    free = json.loads(run("models", "list", "--commercial-only", "--json", "-")[1])
    assert {m["name"] for m in listed} >= {"mtcnn", "yunet"}
    assert [m["name"] for m in free] == [m["name"] for m in listed if m["licences"]["commercial"]]


def test_a_model_file_shows_its_card(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("models", "show", linear_model(tmp_path / "net.onnx"))
    assert code == 0
    assert "whole pictures" not in out
    shown = " ".join(run("models", "show", evoked_model(tmp_path / "evoked.onnx"))[1].split())
    assert "rgb, 16 x 16 px, whole pictures stretched" in shown
    assert "Six Tests: academic research only" in shown
    assert "card of linear 1" in out
    assert "contempt" in out


def test_fetching_offline_is_one_line_with_the_way_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path))
    monkeypatch.setenv("EMOLENS_OFFLINE", "1")
    code, _, err = run("models", "fetch", "yunet")
    assert code == 2
    one_line(err, "EMOLENS_OFFLINE", "sha256")
    assert not list(tmp_path.rglob("*.onnx"))


def test_one_model_that_cannot_be_fetched_does_not_hold_up_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    linear_model(assets / "linear.onnx")
    monkeypatch.setattr("emolens.models.catalogue.ASSETS", assets)
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EMOLENS_OFFLINE", "1")
    code, out, err = run("models", "fetch", "--all", "--to", tmp_path / "mirror")
    assert code == 2
    one_line(err, "yunet is not fetched")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["mtcnn", "linear"]
    names = sorted(path.name for path in (tmp_path / "mirror").iterdir())
    assert names == ["linear.json", "linear.onnx", "onet.lz4", "pnet.lz4", "rnet.lz4"]


def test_the_doctor_names_what_is_missing_and_what_mends_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path / "cache"))
    _, out, _ = run("doctor")
    for word in ("python", "onnxruntime", "ONNX Runtime", "cores", "writable", "model mtcnn", "[tables]"):
        assert word in out
    assert "mend: emolens models fetch yunet" in out
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOLENS_HOME", str(tmp_path / "file"))
    code, out, _ = run("doctor")
    assert "mend: export EMOLENS_HOME" in out
    assert not [line for line in out.splitlines() if line.startswith("broken") and "cache" in line]
    assert code == ("broken" in out)  # the model may be missing here; a cache that cannot be written breaks nothing


def test_a_file_name_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(width=100)
    for result in (group_photo(1), PhotoResult("", "unreadable", message="no")):
        named = dataclasses.replace(result, source="a\n\x1b[31mb.jpg")
        screen.photo(named)
        screen.line(named)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "a\n" not in shown


def test_videos_in_a_folder_are_not_passed_over_in_silence(crop: Run, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    for name in ("film.mp4", "below/other.mov", ".hidden/third.mp4"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    code, out, err = crop(tmp_path / "photos")
    assert code == 0
    assert "a.png" in out
    assert "2 files are videos, such as" in err
    assert crop(tmp_path / "photos", "--quiet") == (0, "", "")
