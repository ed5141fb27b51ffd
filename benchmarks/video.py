"""How fast a video is watched, end to end with rows written, and whether memory and time stay flat.

    python benchmarks/video.py speed [CLIP...] [--detector mtcnn --detector YUNET.onnx] [--rounds 3] [--all-files]
    python benchmarks/video.py flat CLIP [--frames 20000] [--detector YUNET.onnx] [--all-files] [--yardstick]

`speed` watches each clip with every frame detected and Parquet rows written to a temporary folder; `--all-files` runs
`emolens video` with all that it writes (the annotated video, the timelines, the summary) beside it. The models are
warm, each clip is opened anew; of the rounds the median counts. The processor's time is that of all threads of the
process: divided by the cores it says what the wall time cannot be below, also on a machine that does other work.

Without a clip `speed` makes one of full HD with nine faces: a camera in the hand, which moves by up to five pixels a
frame over the photo `NINE` of `--data`, enlarged, with the grain of a sensor. The table says how many faces were found.

`flat` copies the packets of a short clip one after another into a file of so many frames, without encoding anything
anew, and watches it; `--all-files` draws the film and gathers the summary as well. Targets: resident memory at the end
within 10 % of that after the first 1,000 frames, and time per frame without a slope. Two hours at 25 frames a second
are 180,000 frames.

The slope is that of the least-squares line through the mean time per frame of each turn of the clip (so that what the
clip holds cancels out), against the number of frames gone by, without the first turns up to 1,000 frames. Its 95 %
interval is from a moving-block bootstrap over the residuals, since what else the machine does makes neighbours alike.
In a simulation of 200 runs of 120 turns it covered the true slope in 93 % of them, and in 89 % where each turn took
half of the error of the one before: an end near zero says nothing. It is given for the processor's time and, which
means something on a quiet machine alone, for wall time, in microseconds a frame for each 10,000 frames and as what it
adds over the run. Run it twice: one run shows what one machine did at one time.

A machine grows slower and faster by itself over half an hour, by more than what is looked for. `--yardstick` tells the
two apart: after each turn another process, which remembers nothing of the turns before, looks at the first frames of
the clip, while the first one waits. The slope is given for the ratio of the two as well; it holds what the run itself
adds. Wall time would then hold the waiting and is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from emolens.analyzer import Analyzer
from emolens.cli.watched import Watched
from emolens.video import VideoReader
from emolens.watching.series import Series
from emolens.watching.stream import watch
from peers import ROOT, machine, versions

MARK = 1000  # frames between two lines on the screen, and what is left out of the slope at the start
BLOCK, RESAMPLED, SEED = 8, 5000, 0  # turns that stay together in the bootstrap, how often it draws, where it begins
TWO_HOURS = 2 * 3600 * 25
NINE, NINE_FRAMES = "Ultra-Light-Fast-Generic-Face-Detector-1MB__16.jpg", 150
WIDTH, HEIGHT, GRAIN = 1920, 1080, 2.0  # of the clip that is made; the grain is a standard deviation, of 255
YARD = 24  # frames that the yardstick looks at
Mark = tuple[int, float, float, float, float]
"""Frames gone by, resident MB, CPU and wall seconds since the start, CPU seconds of the yardstick."""


def speed(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if not options.clips:
            options.clips = [nine_faces(options.data / "photos" / NINE, Path(folder) / "nine_faces.mp4")]
        table(options)


def nine_faces(photo: Path, clip: Path) -> Path:
    """A clip of six seconds, full HD, over a photo: what a camera in the hand sees."""
    if not photo.is_file():
        sys.exit(f"{photo}: not here; name a clip, or --data, see README.md")
    picture, grain = Image.open(photo).convert("RGB"), np.random.default_rng(SEED)
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n in range(NINE_FRAMES):
            seen = picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=view(picture.size, n / NINE_FRAMES))
            noise = grain.normal(0, GRAIN, (HEIGHT, WIDTH, 1)).astype(np.float32)
            pixels = np.clip(np.asarray(seen) + noise, 0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        out.mux(stream.encode(None))
    return clip


def view(size: tuple[int, int], time: float) -> tuple[float, float, float, float]:
    """The part of a photo of `size` in view at `time`, 0 to 1: it zooms in and out, sways to the side and nods."""
    turn = 2 * np.pi * time
    width = size[0] * (0.94 - 0.05 * np.cos(turn))
    height = width * HEIGHT / WIDTH
    left = (size[0] - width) * (0.5 + 0.45 * np.sin(turn))
    top = 0.06 * size[1] * (0.5 - 0.5 * np.cos(2 * turn)) * (size[1] > height)
    return float(left), float(top), float(left + width), float(top + height)


def table(options: argparse.Namespace) -> None:
    rows = [
        "| clip | size | frames | faces a frame | detector | frames/s | CPU ms a frame |",
        "|---|---|---|---|---|---|---|",
    ]
    for detector in options.detector:
        analyzer = Analyzer(detector=detector)
        for clip in options.clips:
            rounds = [watched(clip, analyzer) for _ in range(options.rounds + 1)][1:]  # the first warms up
            rows.append(row(clip, Path(detector).stem, rounds))
            if options.all_files:
                rounds = [everything(clip, detector) for _ in range(options.rounds + 1)][1:]
                rows.append(row(clip, f"{Path(detector).stem}, all files", rounds))
            print(rows[-1], file=sys.stderr)
    print("\n".join(rows))
    print(f"\n{options.rounds} rounds, median; {where()}")


def row(clip: Path, what: str, rounds: list[dict[str, float]]) -> str:
    frames = int(rounds[0]["frames"])
    wall, cpu = (statistics.median(one[kind] for one in rounds) for kind in ("wall", "cpu"))
    size = f"{rounds[0]['width']:.0f} x {rounds[0]['height']:.0f}"
    faces = f"{rounds[0]['faces'] / frames:.1f}" if "faces" in rounds[0] else ""
    figures = f"{frames / wall:.1f} | {1e3 * cpu / frames:.1f}"
    return f"| {clip.name} | {size} | {frames} | {faces} | {what} | {figures} |"


def watched(clip: Path, analyzer: Analyzer) -> dict[str, float]:
    """One round: the clip watched and its rows written."""
    frames = faces = 0
    size = (0, 0)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        with Series(Path(folder)) as series:
            for result in watch(clip, analyzer=analyzer):
                series.add(result)
                frames, faces, size = frames + 1, faces + len(result.faces), result.size
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"frames": frames, "faces": faces, "wall": wall, "cpu": cpu, "width": size[0], "height": size[1]}


def everything(clip: Path, detector: str) -> dict[str, float]:
    """One round of the command with all its files; loading the models counts, as it does for who runs it."""
    from emolens.cli import main

    counted = watched_size(clip)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        wall, cpu = time.perf_counter(), time.process_time()
        with contextlib.suppress(SystemExit):
            sys.argv = ["emolens", "video", str(clip), "--out", folder, "--detector", detector, "--quiet"]
            main()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if not (Path(folder) / "summary.json").is_file():
            sys.exit(f"emolens video wrote no summary of {clip}")
    return {**counted, "wall": wall, "cpu": cpu}


def where() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return machine(cores, versions("av", "onnxruntime", "numpy", "pyarrow"))


def watched_size(clip: Path) -> dict[str, float]:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return {"frames": frames, "width": stream.width, "height": stream.height}


def flat(options: argparse.Namespace) -> None:
    turn = int(watched_size(options.clips[0])["frames"])
    if (options.frames - MARK) // turn < 3 * BLOCK:
        sys.exit(f"--frames {options.frames}: a slope needs {MARK + 3 * BLOCK * turn} or more of this clip")
    marks: list[Mark] = []
    with tempfile.TemporaryDirectory() as folder, yardstick(options) as measured:
        looped = loop(options.clips[0], Path(folder) / "looped.mkv", options.frames)
        wall, cpu = time.perf_counter(), time.process_time()
        for n in gone_by(looped, Path(folder), Analyzer(detector=options.detector[0]), options.all_files):
            if n % turn == 0 or n % MARK == 0 or n == options.frames:
                gone = time.process_time() - cpu, time.perf_counter() - wall
                marks.append((n, resident(), *gone, measured() if n % turn == 0 else np.nan))
            if n % MARK == 0:
                print(
                    f"{n:>6} frames {marks[-1][1]:>7.0f} MB {1e3 * marks[-1][2] / n:>7.2f} CPU ms a frame", flush=True
                )
    report(marks, turn, options.yardstick)


@contextmanager
def yardstick(options: argparse.Namespace) -> Iterator[Callable[[], float]]:
    """What gives the CPU seconds that another process takes for the first frames of the clip; NaN if not asked for."""
    if not options.yardstick:
        yield lambda: np.nan
        return
    command = [sys.executable, __file__, "yard", str(options.clips[0]), "--detector", options.detector[0]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout

        def measured() -> float:
            print(file=other.stdin, flush=True)
            return float(other.stdout.readline())

        measured()  # warm
        yield measured
        other.stdin.close()


def yard(options: argparse.Namespace) -> None:
    """The other process: one measure for each line that comes in."""
    analyzer = Analyzer(detector=options.detector[0])
    for _ in sys.stdin:
        cpu = time.process_time()
        with closing(watch(options.clips[0], analyzer=analyzer)) as results:
            for _result in islice(results, YARD):
                pass
        print(time.process_time() - cpu, flush=True)


def gone_by(video: Path, folder: Path, analyzer: Analyzer, all_files: bool) -> Iterator[int]:
    """Watches a video and writes what is asked for; gives the number of frames gone by, one after another."""
    with VideoReader(video) as reader:
        watched = Watched(folder, reader, "parquet", (), all_files, all_files, None)
        for n, result in enumerate(watch(reader, analyzer=analyzer, pixels=watched.draws), start=1):
            watched.add(result)
            yield n
        watched.close(None)


def loop(clip: Path, path: Path, frames: int) -> Path:
    """The packets of a clip over and over, their times moved on, until there are so many frames."""
    with av.open(str(path), "w") as out:
        stream = None
        for packet, shift in packets(clip, frames):
            if stream is None:
                stream = out.add_stream_from_template(packet.stream)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = stream
            out.mux(packet)
    return path


def packets(clip: Path, frames: int) -> Iterator[tuple[av.Packet, int]]:
    shift = count = 0
    while count < frames:
        with av.open(str(clip)) as container:
            video = container.streams.video[0]
            last = shift
            for packet in container.demux(video):
                if packet.dts is not None and packet.pts is not None and count < frames:
                    last = max(last, shift + packet.pts + (packet.duration or 1))
                    count += 1
                    yield packet, shift
            shift = last


def resident() -> float:
    """MB of this process in memory now; Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def report(marks: list[Mark], turn: int, with_yardstick: bool) -> None:
    frames, memory, cpu, wall, yards = np.array(marks, np.float64).T
    first = int(np.flatnonzero(frames >= min(MARK, frames[-1]))[0])
    change = 100 * (memory[-1] / memory[first] - 1)
    print(
        f"resident after {frames[first]:.0f} frames {memory[first]:.0f} MB, "
        f"after {frames[-1]:.0f} {memory[-1]:.0f} MB: {change:+.1f} %"
    )
    turns = (frames % turn == 0) & (frames >= min(MARK, frames[-1]))
    print(slope_of("CPU", frames[turns], each_ms(frames[turns], cpu[turns])))
    if with_yardstick:
        print(slope_of("CPU by the yardstick", frames[turns], by_yardstick(frames[turns], cpu[turns], yards[turns])))
    else:
        print(slope_of("wall", frames[turns], each_ms(frames[turns], wall[turns])))
    growth = np.polyfit(frames[first:], memory[first:], 1)[0] if len(frames) > first + 1 else 0.0
    minutes = "" if with_yardstick else f", {TWO_HOURS * wall[-1] / frames[-1] / 60:.0f} minutes at the speed measured"
    print(f"on paper, two hours at 25 frames/s: {memory[-1] + growth * (TWO_HOURS - frames[-1]):.0f} MB{minutes}")
    print(where())
    if change > 10:
        sys.exit("the resident set grew by more than 10 %")


def each_ms(frames: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Milliseconds a frame between the ends of turns (T,), float64 (T - 1,)."""
    return np.asarray(1e3 * np.diff(seconds) / np.diff(frames))


def by_yardstick(frames: np.ndarray, cpu: np.ndarray, yards: np.ndarray) -> np.ndarray:
    """The same as it had been, had the machine always been as fast as it was on the mean."""
    beside = (yards[1:] + yards[:-1]) / 2
    return each_ms(frames, cpu) * yards.mean() / beside


def slope_of(name: str, frames: np.ndarray, each: np.ndarray) -> str:
    """In words: the line through the milliseconds a frame (T - 1,) between the ends of turns, float64 (T,)."""
    slope, low, high = slope_interval((frames[1:] + frames[:-1]) / 2, each)
    over = frames[-1] - frames[0]
    says = "no slope is seen" if low <= 0 <= high else "a slope is seen"
    return (
        f"{name} {each.mean():.3f} ms a frame (n = {len(each)} turns); slope {1e7 * slope:+.2f} "
        f"[{1e7 * low:+.2f}, {1e7 * high:+.2f}] us a frame for each 10,000 frames, over this run "
        f"{100 * slope * over / each.mean():+.2f} [{100 * low * over / each.mean():+.2f}, "
        f"{100 * high * over / each.mean():+.2f}] %: {says}"
    )


def slope_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The least-squares slope of y over x, float64 (N,), and its 95 % interval by a moving-block bootstrap."""
    slope, ground = np.polyfit(x, y, 1)
    line, residuals = slope * x + ground, y - (slope * x + ground)
    rng = np.random.default_rng(SEED)
    starts = rng.integers(0, len(y) - BLOCK + 1, (RESAMPLED, -(-len(y) // BLOCK)))
    drawn = (starts[..., None] + np.arange(BLOCK)).reshape(RESAMPLED, -1)[:, : len(y)]
    centred = x - x.mean()
    slopes = ((line + residuals[drawn]) @ centred) / (centred @ centred)
    low, high = np.quantile(slopes, [0.025, 0.975])
    return float(slope), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["speed", "flat", "yard"])
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EMOLENS_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--detector", action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--all-files", action="store_true", help="with all that `emolens video` writes")
    parser.add_argument("--yardstick", action="store_true", help="measure how fast the machine is as it goes on")
    options = parser.parse_args()
    options.detector = options.detector or ["mtcnn"]
    if options.what != "speed" and not options.clips:
        parser.error(f"{options.what} needs a clip")
    {"speed": speed, "flat": flat, "yard": yard}[options.what](options)


if __name__ == "__main__":
    main()
