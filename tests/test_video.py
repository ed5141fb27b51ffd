import contextlib
import http.server
import io
import itertools
import subprocess
import sys
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="PyAV is not here: pip install 'emolens[video]'")

from emolens.errors import FetchError, InputError, LabelError, NotFound, OptionError, OutputError, TooLarge, Unreadable
from emolens.pictures.limits import Limits
from emolens.video import VideoFrame, VideoReader, VideoWriter, frames_ahead, is_video, opening
from emolens.video.opening import place_of
from videos import canvas, turned, write_sound, write_video

LOSSLESS = {"qp": "0"}


def ramp(count: int = 10, **size: int) -> list[np.ndarray]:
    """Frames that get lighter, so that each tells which it is."""
    return [canvas(value=20 * i, **size) for i in range(count)]


def corners() -> np.ndarray:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    picture = canvas(96, 64)
    picture[:32, :48], picture[:32, 48:] = (255, 0, 0), (0, 255, 0)
    picture[32:, :48], picture[32:, 48:] = (0, 0, 255), (255, 255, 255)
    return picture


def corner_colours(pixels: np.ndarray) -> str:
    names = {(1, 0, 0): "R", (0, 1, 0): "G", (0, 0, 1): "B", (1, 1, 1): "W"}
    height, width = pixels.shape[:2]
    places = itertools.product((height // 4, 3 * height // 4), (width // 4, 3 * width // 4))
    return "".join(names[tuple(int(v > 127) for v in pixels[place])] for place in places)


def test_each_frame_comes_once_in_order_with_its_time(tmp_path):
    path = write_video(tmp_path / "a.mp4", ramp(), options=LOSSLESS)
    with VideoReader(path) as reader:
        assert (reader.width, reader.height, reader.rate, reader.count, reader.live) == (96, 64, 25, 10, False)
        assert reader.duration_s == pytest.approx(0.4)
        frames = list(reader)
    assert [f.number for f in frames] == list(range(10))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(10)])
    assert [round(f.pixels.mean() / 20) for f in frames] == list(range(10))
    assert all(f.pixels.dtype == np.uint8 and f.pixels.flags.c_contiguous for f in frames)
    assert reader.damaged == 0


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 0.04, 0.05, 0.5, 0.9, 1.7]
    path = write_video(tmp_path / "a.mkv", ramp(6), times)
    assert [f.time_s for f in VideoReader(path)] == pytest.approx(times, abs=1e-3)


def test_times_count_from_the_start_of_the_file(tmp_path):
    path = write_video(tmp_path / "a.ts", ramp(6))  # MPEG-TS begins its clock at 1.4 s
    assert [f.time_s for f in VideoReader(path)] == pytest.approx([i / 25 for i in range(6)], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.webm", "libvpx-vp9"), ("a.mkv", "ffv1")]
)
def test_colours_are_red_green_blue_whatever_the_codec(tmp_path, name, codec):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / name, [corners()] * 3, codec=codec, pixel_format=pixel_format)
    frames = list(VideoReader(path))
    assert len(frames) == 3
    assert {corner_colours(f.pixels) for f in frames} == {"RGBW"}


@pytest.mark.parametrize(("degrees", "shown"), [(90, "BRWG"), (180, "WBGR"), (270, "GWRB")])
def test_what_a_phone_filmed_turned_is_upright(tmp_path, degrees, shown):
    path = turned(write_video(tmp_path / "a.mp4", [corners()] * 3), degrees)
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert corner_colours(frame.pixels) == shown
    assert frame.pixels.shape == (reader.height, reader.width, 3)
    assert (reader.width, reader.height) == ((96, 64) if degrees == 180 else (64, 96))


def test_a_file_that_begins_late_is_whole(tmp_path):
    path = write_video(tmp_path / "a.mkv", ramp(10), [5 + i / 25 for i in range(10)])
    with VideoReader(path) as reader:  # Matroska states 5.4 s: when it ends
        assert (reader.duration_s, reader.count) == (pytest.approx(0.4, abs=0.01), 10)
        assert [f.time_s for f in reader] == pytest.approx([i / 25 for i in range(10)], abs=1e-3)


def test_time_goes_on_where_the_clock_of_a_recording_begins_anew(tmp_path):
    one, other = (write_video(tmp_path / name, ramp(10)).read_bytes() for name in ("a.ts", "b.ts"))
    (tmp_path / "both.ts").write_bytes(one + other)
    times = [f.time_s for f in VideoReader(tmp_path / "both.ts")]
    assert len(times) >= 19  # the first of the second may be lost
    assert np.diff(times).min() > 0
    assert times[-1] == pytest.approx((len(times) - 1) / 25, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(tmp_path, name):
    path = write_video(tmp_path / name, [corners()] * 3, pixel_shape=Fraction(4, 3))
    with VideoReader(path) as reader:
        assert (reader.width, reader.height) == (128, 64)
        assert {(f.pixels.shape, corner_colours(f.pixels)) for f in reader} == {((64, 128, 3), "RGBW")}
    if name == "a.mp4":  # a phone that was held turned, with such pixels
        with VideoReader(turned(path, 90)) as reader:
            assert (reader.width, reader.height) == (64, 128)
            assert next(iter(reader)).pixels.shape == (128, 64, 3)


def test_some_frames_of_each_second(tmp_path):
    path = write_video(tmp_path / "a.mp4", ramp(10) * 3)
    reader = VideoReader(path)
    assert [f.number for f in reader.frames(fps=5)] == [0, 5, 10, 15, 20, 25]
    assert [f.number for f in VideoReader(path).frames(fps=100)] == list(range(30))
    times = [0, 0.01, 0.3, 0.5, 0.51, 1.0]
    varying = write_video(tmp_path / "b.mkv", ramp(6), times)
    assert [f.number for f in VideoReader(varying).frames(fps=2)] == [0, 3, 5]
    with pytest.raises(OptionError, match="fps is 0"):
        next(VideoReader(path).frames(fps=0))


def test_reading_ahead_gives_the_same_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4", ramp(12))
    alone, ahead = list(VideoReader(path)), list(frames_ahead(VideoReader(path), ahead=2))
    assert [(f.number, f.time_s) for f in alone] == [(f.number, f.time_s) for f in ahead]
    assert all((one.pixels == two.pixels).all() for one, two in zip(alone, ahead, strict=True))


def test_closing_early_ends_the_thread(tmp_path):
    frames = frames_ahead(VideoReader(write_video(tmp_path / "a.mp4", ramp(12) * 5)), ahead=2)
    next(frames)
    frames.close()
    assert not [t for t in threading.enumerate() if t.name == "emolens-video"]


class Camera:
    """A live source that gives `count` frames as fast as they are taken, and then stops."""

    live = True

    def __init__(self, count: int) -> None:
        self.count, self.closed, self.gone = count, False, threading.Event()

    def frames(self, fps=None):
        for i in range(self.count):
            yield VideoFrame(i, i / 100, canvas())
        self.gone.set()
        raise FetchError("the stream stopped")

    def close(self):
        self.closed = True


def test_a_live_source_drops_the_oldest_and_says_that_it_stopped():
    camera = Camera(50)
    numbers = []

    def look_slowly():
        for frame in frames_ahead(camera):
            numbers.append(frame.number)
            assert camera.gone.wait(10)  # all the others come meanwhile

    with pytest.raises(FetchError, match="stopped"):
        look_slowly()
    assert numbers[-1] == 49
    assert len(numbers) <= 2
    assert camera.closed


def cut(path, share: float):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_file_that_is_cut_off_gives_what_there_is_and_then_says_so(tmp_path, name):
    index_first = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = write_video(tmp_path / name, noise(50), container_options=index_first, options={"g": "10"})
    whole = list(VideoReader(path))
    frames = []
    with pytest.raises(Unreadable, match=r"a\.\w+: damaged or cut off after \d+ frames, at \d\.\d\d s") as caught:
        frames.extend(frames_ahead(VideoReader(cut(path, 0.6))))
    assert 15 < len(frames) < 40
    assert f"after {len(frames)} frames, at {frames[-1].time_s:.2f} s" in str(caught.value)
    assert all((one.pixels == two.pixels).all() for one, two in zip(whole, frames[:-4], strict=False))


def test_a_file_without_its_index_is_refused_at_once(tmp_path):
    path = cut(write_video(tmp_path / "a.mp4", noise(20)), 0.7)  # the index of an MP4 stands at its end
    with pytest.raises(Unreadable, match="cut off"):
        VideoReader(path)


def test_a_damaged_stretch_is_passed_over_and_counted(tmp_path):
    path = write_video(tmp_path / "a.ts", noise(50), options={"g": "5"})
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 4000] = bytes(4000)
    path.write_bytes(data)
    reader = VideoReader(path)
    frames = list(reader)
    assert 40 <= len(frames) < 50
    assert reader.damaged > 0
    assert frames[-1].time_s == pytest.approx(49 / 25, abs=1e-3)


def test_what_is_no_video_is_refused_with_its_name_and_the_reason(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "text.txt").write_text("no video at all\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_sound(tmp_path / "sound.wav")
    cases = {"text.mp4": "not a video", "text.txt": "not a video", "empty.mp4": "empty", "sound.wav": "no video stream"}
    for name, said in cases.items():
        with pytest.raises(Unreadable, match=f"{name}: .*{said}") as caught:
            VideoReader(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(Unreadable, match="a folder, not a video"):
        VideoReader(tmp_path)
    with pytest.raises(NotFound, match=r"none\.mp4: no such file"):
        VideoReader(tmp_path / "none.mp4")
    with pytest.raises(NotFound, match="is empty; give a file"):
        VideoReader("")


def test_frames_that_are_too_large_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", ramp(3))
    with pytest.raises(TooLarge, match="96 x 64"):  # before anything of an earlier run is removed for it
        VideoReader(path, Limits(max_pixels=1000))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cameras are files on Linux only")
@pytest.mark.parametrize("camera", [97, "97", "camera:97", "/dev/video97"])
def test_a_camera_that_is_absent_is_not_found(camera):
    with pytest.raises(NotFound, match=r"/dev/video97 is not there; cameras of this machine: "):
        VideoReader(camera)


def test_addresses_that_cannot_be_reached_are_named_without_their_password():
    for url in ("rtsp://me:pass@127.0.0.1:9/live", "http://me:pass@127.0.0.1:9/a.mp4"):
        with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/.*refused") as caught:
            VideoReader(url)
        assert "pass" not in str(caught.value)
    with pytest.raises(FetchError, match="ftp:// is not read; allowed: http, https, rtsp"):
        VideoReader("ftp://127.0.0.1/a.mp4")


class Sender(http.server.BaseHTTPRequestHandler):
    """`/file...` is `file`, `/file-half...` its first half.

    `/live` sends ten JPEGs as a camera does, 20 ms apart; `/stall` then falls silent.
    """

    file = b""

    def do_GET(self):
        if self.path.startswith("/file"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.file)))
            self.end_headers()
            self.wfile.write(self.file[: len(self.file) // 2] if "half" in self.path else self.file)
        else:
            self.send_pictures()

    def send_pictures(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        with contextlib.suppress(OSError):  # who reads has gone
            for picture in ramp(10):
                jpeg = io.BytesIO()
                Image.fromarray(picture).save(jpeg, "JPEG")
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg.getvalue())}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg.getvalue() + b"\r\n")
                time.sleep(0.02)
            if self.path == "/stall":
                time.sleep(3)

    def log_message(self, *args):
        pass


@pytest.fixture
def served():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sender)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_video_behind_a_url(tmp_path, served):
    Sender.file = write_video(tmp_path / "a.mkv", ramp(10)).read_bytes()
    reader = VideoReader(f"{served}/file.mkv?token=abc")
    assert reader.name == f"{served}/file.mkv?token=***"
    assert not reader.live
    assert [f.number for f in reader] == list(range(10))


def test_a_transfer_that_breaks_off_gives_what_came(tmp_path, served):
    Sender.file = write_video(tmp_path / "a.mkv", noise(50), options={"g": "10"}).read_bytes()
    frames = []
    with pytest.raises(FetchError, match=r"/file-half.mkv: the transfer stopped after \d+ frames, at \d\.\d\d s"):
        frames.extend(VideoReader(f"{served}/file-half.mkv"))
    assert 10 < len(frames) < 40


@pytest.mark.parametrize(("path", "why"), [("live", "Input/output error|its sender"), ("stall", "no data in time")])
def test_a_camera_on_the_network_that_stops(served, monkeypatch, path, why):
    monkeypatch.setattr(opening, "READ_SECONDS", 0.5)
    reader = VideoReader(f"{served}/{path}")
    assert reader.live
    assert (reader.count, reader.duration_s) == (None, None)
    frames = []
    with pytest.raises(FetchError, match=rf"/{path}: the stream stopped after \d+ frames, at \d\.\d\d s .*({why})"):
        frames.extend(reader)
    assert [round(f.pixels.mean() / 20) for f in frames][:8] == list(range(8))  # the last may be torn by the end
    assert frames[-1].time_s > frames[0].time_s
    assert [f.time_s for f in frames] == sorted(f.time_s for f in frames)


def test_what_counts_as_a_video_by_its_name():
    videos = ["a.mp4", "A.MOV", "https://x.org/a.webm?b=c", "rtsp://cam/1", "camera:0", "/dev/video0", 0]
    others = ["a.jpg", "https://x.org/a.jpg", "https://x.org/", "a", "-", b"abc", canvas()]
    assert all(map(is_video, videos))
    assert not any(map(is_video, others))


def test_a_name_with_a_colon_is_a_file_and_not_a_protocol(tmp_path):
    path = write_video(tmp_path / "a.mp4", ramp(3)).rename(tmp_path / "concat:a.mp4")
    assert len(list(VideoReader(path))) == 3
    assert place_of(path).kind == "file"


def test_what_is_written_is_read_again_with_its_times(tmp_path):
    times = [0, 0.1, 0.11, 0.5, 1.25]
    with VideoWriter(tmp_path / "out.mp4", (95, 63), rate=25, quality=5) as writer:
        for pixels, time_s in zip(ramp(5, width=95, height=63), times, strict=True):
            writer.write(pixels, time_s)
    reader = VideoReader(tmp_path / "out.mp4")
    frames = list(reader)
    assert (reader.width, reader.height) == (96, 64)
    assert [f.time_s for f in frames] == pytest.approx(times, abs=1e-4)
    assert [round(f.pixels.mean() / 20) for f in frames] == list(range(5))


def test_without_a_frame_there_is_no_film(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", (96, 64)) as writer:
        assert not writer.begun
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [1e-9, 90_000, 1e300])
def test_a_rate_that_cannot_be_is_no_matter_since_times_are_kept(tmp_path, rate):
    with VideoWriter(tmp_path / "out.mp4", (96, 64), rate) as writer:
        for n, pixels in enumerate(ramp(4)):
            writer.write(pixels, n / 10)
    assert [f.time_s for f in VideoReader(tmp_path / "out.mp4")] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_two_frames_at_one_time_are_both_kept(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", (96, 64)) as writer:
        for pixels in ramp(4):
            writer.write(pixels, 0.0)
    assert len(list(VideoReader(tmp_path / "out.mp4"))) == 4


def test_what_was_written_before_a_run_was_killed_can_be_read(tmp_path):
    code = """
import os, sys, numpy as np
from emolens.video import VideoWriter
writer = VideoWriter(sys.argv[1], (96, 64), 25)
for i in range(260):
    writer.write(np.full((64, 96, 3), i % 200, np.uint8), i / 25)
os._exit(9)
"""
    path = tmp_path / "out.mp4"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    frames = []
    with contextlib.suppress(InputError):  # it may well say that the file is cut off
        frames.extend(VideoReader(path))
    assert len(frames) >= 100  # of 260; the encoder looks ahead, and the last two seconds are lost


def test_a_video_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        VideoWriter(tmp_path / "none" / "out.mp4", (96, 64))
    with VideoWriter(tmp_path / "out.mp4", (96, 64)) as writer:
        with pytest.raises(LabelError, match="needs uint8"):
            writer.write(canvas(32, 32), 0)
        writer.write(canvas(), 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is of Linux")
def test_a_full_disk_is_an_output_error():
    def write():
        with VideoWriter("/dev/full", (96, 64)) as writer:
            for i, pixels in enumerate(noise(100)):
                writer.write(pixels, i / 25)

    with pytest.raises(OutputError, match="No space left"):
        write()
