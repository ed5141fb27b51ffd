"""`emolens video` as people and scripts meet it: files, numbers, exit codes, runs that end before their time."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="PyAV is not here: pip install 'emolens[video]'")
pytest.importorskip("pyarrow", reason="pyarrow is not here: pip install 'emolens[tables]'")
skimage_data = pytest.importorskip("skimage.data", reason="scikit-image is not here: the only real face without files")

from emolens.cli import app  # noqa: E402
from emolens.tables import COLUMNS  # noqa: E402
from fakes import linear_model  # noqa: E402
from videos import write_video  # noqa: E402

Run = Callable[..., tuple[int, str, str]]
ALL = {"rows", "annotated.mp4", "timeline.png", "timeline.html", "summary.json"}
SIDE = 192


def astronaut() -> np.ndarray:
    """A face of about 50 px in a picture of `SIZE`."""
    picture = Image.fromarray(skimage_data.astronaut()[:320, 60:380])
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second without a face, then a second with one."""
    dark = np.full((SIDE, SIDE, 3), 20, np.uint8)
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [dark] * 8 + [astronaut()] * 8, rate=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_model(tmp_path_factory.mktemp("net") / "linear.onnx")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "100")

    def command(*args: object, with_model: bool = True) -> tuple[int, str, str]:
        capsys.readouterr()
        given = [str(a) for a in args] + (["--model", str(model)] if with_model else [])
        with pytest.raises(SystemExit) as left:
            app(given, prog_name="emolens")
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


def one_line(err: str, *parts: str) -> None:
    assert err.startswith("emolens: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def table(folder: Path) -> list[dict[str, object]]:
    from pyarrow import parquet

    found: list[dict[str, object]] = parquet.read_table(folder / "rows").to_pylist()
    return found


def test_everything_is_written_and_says_the_same(run: Run, clip: Path, tmp_path: Path) -> None:
    code, out, err = run("video", clip, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert {p.name for p in (tmp_path / "out").iterdir()} - {"moments"} == ALL
    rows = table(tmp_path / "out")
    assert tuple(rows[0]) == COLUMNS
    assert [(r["status"], r["time_s"]) for r in rows[:8]] == [("no_face", n / 8) for n in range(8)]
    faces = [r for r in rows if r["target"] == "face"]
    assert [r["frame"] for r in faces] == list(range(8, 16))
    assert {r["track_id"] for r in faces} == {1}
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (told["frames"], told["faces"], told["seconds"]) == (16, 8, 2.0)
    (person,) = told["people"]
    assert (person["track_id"], person["first_frame"], person["last_frame"]) == (1, 8, 15)
    assert person["seconds"] == pytest.approx(1.0)
    assert person["main"] in out
    assert "1 person" in out
    assert all((tmp_path / "out" / m["picture"]).is_file() for m in told["moments"])


def test_the_film_keeps_size_times_and_frames(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("video", clip, "--out", tmp_path / "out")[0] == 0
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as film:
        frames = [(float(f.time), f.to_ndarray(format="rgb24")) for f in film.decode(video=0)]
    assert [t for t, _ in frames] == pytest.approx([n / 8 for n in range(16)], abs=1e-3)
    assert {pixels.shape for _, pixels in frames} == {(SIDE, SIDE, 3)}
    assert np.abs(frames[12][1].astype(int) - astronaut()).max() > 100  # something is drawn on it
    page = (tmp_path / "out" / "timeline.html").read_text()
    assert '"film":"annotated.mp4"' in page


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_rows_and_fewer_frames(run: Run, clip: Path, tmp_path: Path, kind: str) -> None:
    code, _, _ = run("video", clip, "--out", tmp_path, "--rows", kind, "--fps", 4, "--no-video", "--quiet")
    assert code == 0
    assert not (tmp_path / "annotated.mp4").exists()
    assert not (tmp_path / "rows").exists()
    lines = (tmp_path / f"rows.{kind}").read_text().splitlines()
    if kind == "csv":
        frames = [int(row["frame"]) for row in csv.DictReader(lines)]
    else:
        frames = [json.loads(line)["frame"] for line in lines]
    assert sorted(set(frames)) == list(range(0, 16, 2))


def test_numbers_only_holds_no_picture_of_anybody(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("video", clip, "--out", tmp_path, "--no-pictures")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == ALL - {"annotated.mp4"}
    assert "base64," in (tmp_path / "timeline.html").read_text()  # the word in the script alone
    assert (
        '"jpeg":""' in (tmp_path / "timeline.html").read_text()
        or '"moments":[]' in (tmp_path / "timeline.html").read_text()
    )


def test_a_second_run_replaces_the_first_and_never_its_own_source(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("video", clip, "--out", tmp_path, "--rows", "csv")[0] == 0
    assert run("video", clip, "--out", tmp_path, "--no-video")[0] == 0
    assert not (tmp_path / "rows.csv").exists()
    assert not (tmp_path / "annotated.mp4").exists()
    assert run("video", clip, "--out", tmp_path, "--rows", "csv", "--no-pictures")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"rows.csv", "timeline.png", "timeline.html", "summary.json"}
    assert run("video", clip, "--out", tmp_path)[0] == 0
    before = (tmp_path / "annotated.mp4").read_bytes()
    code, _, err = run("video", tmp_path / "annotated.mp4", "--out", tmp_path)
    assert code == 2
    one_line(err, "annotated.mp4", "--out")
    assert (tmp_path / "annotated.mp4").read_bytes() == before


def test_what_is_not_of_an_earlier_run_stays(run: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "moments").mkdir()
    (tmp_path / "moments" / "birthday.jpg").write_bytes(b"mine")
    (tmp_path / "moments" / "clearest_anger.jpg").write_bytes(b"of an earlier run")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / ".part-00007.parquet.abc").write_bytes(b"a draft of a run that was killed")
    assert run("video", clip, "--out", tmp_path, "--no-pictures")[0] == 0
    assert [p.name for p in (tmp_path / "moments").iterdir()] == ["birthday.jpg"]
    assert [p.name for p in (tmp_path / "rows").iterdir()] == ["part-00000.parquet"]


def test_no_source_is_removed_for_the_run_of_another(run: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    film = tmp_path / "clip" / "annotated.mp4"
    film.write_bytes(clip.read_bytes())
    code, _, err = run("video", clip, film, "--out", tmp_path)
    assert code == 2
    one_line(err, "clip/annotated.mp4", "--out")
    assert film.read_bytes() == clip.read_bytes()


def test_a_name_of_dots_stays_inside_the_folder(run: Run, clip: Path, tmp_path: Path) -> None:
    dots = [tmp_path / "..mp4", tmp_path / "...mp4"]
    for path in dots:
        path.write_bytes(clip.read_bytes())
    assert run("video", *dots, "--out", tmp_path / "out" / "here", "--no-video")[0] == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["here"]
    assert len([p for p in (tmp_path / "out" / "here").iterdir() if (p / "summary.json").is_file()]) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes on Linux only")
def test_names_that_are_no_text(run: Run, clip: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(bytes(tmp_path) + b"/a\xff\n.mp4")
    Path(odd).write_bytes(clip.read_bytes())
    code, out, err = run("video", odd, "--out", odd.replace(".mp4", ""))
    assert (code, err) == (0, "")
    assert "1 person" in out
    assert {p.name for p in Path(odd.replace(".mp4", "")).iterdir()} - {"moments"} == ALL


def test_frames_that_change_their_size_are_fitted_into_the_film(run: Run, tmp_path: Path) -> None:
    wide = np.zeros((SIDE // 2, SIDE, 3), np.uint8) + np.uint8(200)
    parts = [write_video(tmp_path / f"{n}.ts", [one] * 5) for n, one in enumerate((astronaut(), wide))]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    code, _, err = run("video", tmp_path / "both.ts", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    rows = table(tmp_path / "out")
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(shown) == len({r["frame"] for r in rows}) >= 9
    assert {one.shape for one in shown} == {(SIDE, SIDE, 3)}
    assert shown[-1][SIDE // 8].mean() < 20  # the wide one stands between two dark bars
    assert shown[-1][SIDE // 2].mean() > 150


def test_several_sources_each_get_a_folder_and_one_fault_does_not_stop_the_rest(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    code, out, err = run("video", "nowhere.mp4", clip, clip, "--out", tmp_path, "--no-video")
    assert code == 2
    one_line(err, "nowhere.mp4")
    assert {p.name for p in tmp_path.iterdir()} == {"clip", "clip_2"}
    assert len(table(tmp_path / "clip")) == len(table(tmp_path / "clip_2"))
    assert out.count("1 person") == 2


def test_analyze_takes_a_video_and_photos_apart(run: Run, clip: Path, tmp_path: Path) -> None:
    code, out, err = run("analyze", clip, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert {p.name for p in (tmp_path / "out").iterdir()} - {"moments"} == ALL
    code, shown, _ = run("analyze", clip)  # without a folder it is only shown
    assert code == 0
    assert shown.splitlines()[0] == out.splitlines()[0]
    for args, part in (
        [[clip, "a.jpg"], "apart"],
        [[clip, "--csv", "x.csv"], "--csv"],
        [[clip, "--whole-image"], "--"],
    ):
        code, _, err = run("analyze", *args)
        assert code == 2
        one_line(err, part, "clip.mp4")


def test_what_must_be_changed_is_one_line(run: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    for args, part in (
        (["nowhere.mp4"], "nowhere.mp4"),
        (["77"], "camera 77"),
        ([tmp_path / "text.mp4"], "text.mp4"),
        ([tmp_path / "empty.mp4"], "empty"),
        ([tmp_path], "folder"),
        (["rtsp://127.0.0.1:9/none"], "127.0.0.1:9"),
        ([clip, "--rows", "parket"], "'parquet'"),
        ([clip, "--every", "0"], "--every"),
        ([clip, "--fps", "-1"], "--fps"),
        ([clip, "--quiet"], "--out"),
        ([clip, "--out", ""], "--out is empty"),
        ([""], "empty"),
        ([clip, "--out", tmp_path / "text.mp4" / "x"], "text.mp4"),
    ):
        code, _, err = run("video", *args)
        assert code == 2, args
        one_line(err, part)


def test_a_video_that_is_cut_off_keeps_what_came_before(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [np.roll(astronaut(), n, axis=1) // 2 + rng.integers(0, 60, (SIDE, SIDE, 3), np.uint8) for n in range(32)]
    whole = write_video(tmp_path / "whole.mp4", frames, rate=8, container_options={"movflags": "faststart"},
                        options={"g": "4"})  # fmt: skip
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, out, err = run("video", cut, "--out", tmp_path / "out")
    assert code == 2
    one_line(err, "cut.mp4", "is kept in")
    kept = {int(str(r["frame"])) for r in table(tmp_path / "out")}
    assert 4 <= len(kept) < 32
    assert f"{len(kept)} frames" in err
    assert {p.name for p in (tmp_path / "out").iterdir()} >= ALL
    assert "cut.mp4" in out


def test_the_progress_says_frames_a_second(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from rich.console import Console

    from emolens.cli.video_screen import VideoScreen
    from emolens.video import VideoReader
    from fakes_video import frame

    screen = VideoScreen()
    seen = StringIO()
    assert screen._screen is not None
    screen._screen.console = Console(file=seen, force_terminal=True, width=100)
    with VideoReader(clip) as reader, screen.progress(reader) as step:
        for n in range(16):
            step(frame(n, n / 8, {1: "fear"}))
    assert "frames/s" in seen.getvalue()
    assert "frame 16" in seen.getvalue()


def test_a_signal_while_files_are_ended_is_noted_and_a_second_ends_that_too() -> None:
    from emolens.cli.leaving import Signals

    with Signals() as signals:
        with signals.in_one_turn():
            signal.raise_signal(signal.SIGINT)
        assert signals.came == signal.SIGINT
        with pytest.raises(KeyboardInterrupt), signals.in_one_turn():
            signal.raise_signal(signal.SIGINT)


# --- runs that end before their time ---------------------------------------------------------------------------------


def started(tmp_path: Path, model: Path, film: bytes = b"") -> tuple[subprocess.Popen[str], Path]:
    """A run over a video of a minute, once its first rows are there and `film` is in its annotated video."""
    long = write_video(tmp_path / "long.mp4", [astronaut()] * 900, rate=15)
    out = tmp_path / "out"
    code = (
        "from emolens.watching import series; series.PART_S = 0.2\n"
        "from emolens.cli import main; import sys; sys.argv[0] = 'emolens'; main()"
    )
    args = ["video", str(long), "--out", str(out), "--model", str(model), "--threads", "1"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    running = subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and running.poll() is None:
        time.sleep(0.05)
        if len(list(out.glob("rows/part-*.parquet"))) >= 3 and film in (out / "annotated.mp4").read_bytes():
            break
    return running, out


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_with_everything_so_far(tmp_path: Path, model: Path, number: signal.Signals) -> None:
    running, out = started(tmp_path, model)
    running.send_signal(number)
    shown, err = running.communicate(timeout=60)
    assert running.returncode == 128 + number, err
    one_line(err, "stopped", "is kept in")
    told = json.loads((out / "summary.json").read_text())
    frames = {int(str(r["frame"])) for r in table(out)}
    assert frames == set(range(told["frames"]))
    assert 0 < told["frames"] < 900
    with av.open(str(out / "annotated.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == told["frames"]
    assert "1 person" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_killed_run_is_readable(tmp_path: Path, model: Path) -> None:
    running, out = started(tmp_path, model, film=b"mdat")
    running.kill()
    running.communicate(timeout=60)
    frames = [int(str(r["frame"])) for r in table(out) if r["target"] == "face"]
    assert frames
    assert frames == list(range(len(frames)))
    with av.open(str(out / "annotated.mp4")) as film:  # in fragments, so what is there can be played
        assert sum(1 for _ in film.decode(video=0)) >= 30
