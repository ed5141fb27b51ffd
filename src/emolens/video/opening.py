"""Where videos come from: files, URLs, cameras; how ffmpeg is asked for them, and what its refusals mean."""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit

from emolens.errors import FetchError, InputError, MissingExtra, NotFound, Unreadable, Unsupported
from emolens.pictures.limits import LIMITS, Limits, as_shown
from emolens.pictures.sources import URL, source_name

VideoSource: TypeAlias = "str | Path | int | IO[bytes]"
"""A path, a URL, a binary file object, or a camera: its number, or `camera:0`."""

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".f4v"}
    | {".3gp", ".3g2", ".ogv", ".vob", ".mxf", ".m3u8"}
)
"""What counts as a video by its name. A file that is named to `VideoReader` is opened whatever its suffix."""

STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "srt")
SCHEMES = ("http", "https", *STREAMS)
READ_SECONDS = 10.0  # without a byte for so long, a stream has stopped
CAMERA = re.compile(r"camera:(.+)", re.IGNORECASE)
SIGNATURES = {
    "mov": re.compile(rb"....(ftyp|moov|mdat|wide|free|skip)", re.DOTALL),
    "matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "avi": re.compile(rb"RIFF....AVI ", re.DOTALL),
}
"""What a file object may hold, by ffmpeg's name for it and the first bytes."""
NOT_VIDEO = {"tty", "ansi", "bin", "xbin", "adf", "idf"}  # ffmpeg takes any text for a film of a terminal


@dataclass(frozen=True, slots=True)
class Place:
    """What ffmpeg is asked to open, and what it is called in tables and messages."""

    name: str
    address: str | IO[bytes]
    kind: str  # file, url, stream, camera
    form: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def load_av() -> Any:
    """PyAV. Raises `MissingExtra` where it is not installed."""
    try:
        import av
    except ImportError:
        raise MissingExtra("a video", "video") from None
    av.logging.set_libav_level(av.logging.PANIC)  # what goes wrong is said by our errors, once
    return av


def is_video(source: object) -> bool:
    """Whether a source is a video by its name: a camera, a stream, or a path or URL with a suffix of a video."""
    if isinstance(source, int):
        return True
    if not isinstance(source, (str, os.PathLike)):
        return False
    text = os.fsdecode(source)
    if CAMERA.fullmatch(text) or _camera_device(text):
        return True
    if URL.match(text):
        parts = urlsplit(text)
        return parts.scheme.lower() in STREAMS or Path(parts.path).suffix.lower() in SUFFIXES
    return Path(text).suffix.lower() in SUFFIXES


def place_of(source: VideoSource) -> Place:
    """What to open for a source. Raises `NotFound`, `Unreadable` or `FetchError` where it cannot be there."""
    if isinstance(source, int):
        return _camera(str(source))
    if not isinstance(source, (str, os.PathLike)):
        return _held(source)
    text = os.fsdecode(source)
    if not text:  # of a script whose variable is not set; as a path it would be the folder one is in
        raise NotFound("the name of the video is empty; give a file, a URL or a camera: 'camera:0'")
    if named := CAMERA.fullmatch(text):
        return _camera(named[1])
    if URL.match(text):
        return _url(text)
    if text.isdecimal() and not Path(text).exists():
        return _camera(text)
    if _camera_device(text):
        return _camera(text)
    return _file(text)


def open_container(place: Place, limits: Limits = LIMITS) -> Any:
    """The open PyAV container. Raises `InputError` with the reason that ffmpeg gives."""
    av = load_av()
    timeout = None if place.kind == "file" else (limits.url_seconds, READ_SECONDS)
    try:
        container = av.open(place.address, format=place.form, options=dict(place.options), timeout=timeout)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refused(place, error) from None
    if container.format.name in NOT_VIDEO:
        container.close()
        raise Unreadable(f"{as_shown(place.name)}: not a video; give a file with one of {_some_suffixes()}")
    return container


def reason(error: BaseException) -> str:
    """What ffmpeg says in words; its own message would repeat the address with its password."""
    if type(error).__name__ == "ExitError":
        return "no data in time"
    return as_shown(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _refused(place: Place, error: BaseException) -> InputError:
    name, why = as_shown(place.name), reason(error)
    if place.kind == "camera":
        return NotFound(f"{name}: cannot be opened ({why}); close what else uses it, or give another camera")
    if place.kind != "file":
        return FetchError(f"{name}: {why}; check the address and the network, or give a file")
    if isinstance(error, PermissionError):
        return Unreadable(f"{name}: permission denied; make it readable for this user")
    return Unreadable(f"{name}: not a video that can be read ({why}); it may be cut off: get the file again")


def _file(path: str) -> Place:
    name = source_name(path)
    shown = as_shown(name)
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        raise NotFound(f"{shown}: no such file; check the spelling, or give a URL or a camera: 'camera:0'") from None
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable(f"{shown}: a folder, not a video; give a file with one of {_some_suffixes()}")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise Unreadable(f"{shown}: empty (0 bytes); give a video")
    return Place(name, f"file:{path}", "file")  # without the prefix `a:b.mp4` would be a protocol


def _held(file: IO[bytes]) -> Place:
    """A file object, whose bytes often come from a stranger: ffmpeg is told what they are and guesses nothing.

    Left to guess, it would take a list of names for a video and open the files and addresses in it.
    """
    name = source_name(file)
    file.seek(0)
    head = file.read(16)
    form = next((form for form, signature in SIGNATURES.items() if signature.match(head)), None)
    if form is None:
        raise Unsupported(
            f"{as_shown(name)}: not a video that is read from a file object; allowed: MP4, MOV, MKV, WebM, AVI"
        )
    file.seek(0)
    return Place(name, file, "file", form)


def _url(url: str) -> Place:
    name, scheme = source_name(url), urlsplit(url).scheme.lower()
    if scheme not in SCHEMES:
        raise FetchError(f"{as_shown(name)}: {scheme}:// is not read; allowed: {', '.join(SCHEMES)}, or give a path")
    # TCP: over UDP a camera on a busy network gives torn pictures.
    options = {"rtsp_transport": "tcp"} if scheme in ("rtsp", "rtsps") else {}
    return Place(name, url, "stream" if scheme in STREAMS else "url", options=options)


def _camera_device(text: str) -> bool:
    return bool(re.fullmatch(r"/dev/video\d+", text))


def _camera(which: str) -> Place:
    """A camera as this system numbers and names them."""
    system: str = sys.platform  # with its literal type every system but one would be dead code to a type checker
    if system.startswith("linux"):
        device = f"/dev/video{which}" if which.isdecimal() else which
        if not Path(device).exists():
            found = ", ".join(sorted(map(str, Path("/dev").glob("video[0-9]*")))) or "none"
            raise NotFound(f"camera {which}: {as_shown(device)} is not there; cameras of this machine: {found}")
        return Place(f"camera:{which}", device, "camera", "v4l2")
    if system == "darwin":
        return Place(f"camera:{which}", which, "camera", "avfoundation", {"framerate": "30"})
    if which.isdecimal():
        raise NotFound(f"camera {which}: Windows knows cameras by name; give 'camera:NAME' of the device manager")
    return Place(f"camera:{which}", f"video={which}", "camera", "dshow")


def _some_suffixes() -> str:
    return ".mp4, .mov, .mkv, .webm, .avi"
