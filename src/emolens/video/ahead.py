"""Frames decoded by a thread of their own while the models look at those before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import TypeAlias

from emolens.video.reading import VideoFrame, VideoReader

Frames: TypeAlias = Generator[VideoFrame, None, None]

AHEAD = 8  # frames of a file that wait at the most; 50 MB of full HD
FRESH = 1  # frames of a live source that wait: an older one is dropped for a newer


def frames_ahead(reader: VideoReader, fps: float | None = None, ahead: int = AHEAD) -> Frames:
    """The frames of `reader.frames(fps)`, read ahead; the reader is closed with the iterator.

    A file waits until there is room for the next frame. A live source does not wait: where frames come faster than
    they are taken, the oldest is dropped, and the gap shows in their numbers.
    """
    shelf = _Shelf(FRESH if reader.live else ahead, drops=reader.live)
    thread = threading.Thread(target=_fill, args=(shelf, reader, fps), name="emolens-video", daemon=True)
    thread.start()
    try:
        while (frame := shelf.take()) is not None:
            yield frame
    finally:
        shelf.close()
        thread.join(timeout=None if not reader.live else 1.0)  # a silent camera must not hold up the one who closes


class _Shelf:
    """A bounded row of frames between two threads, and the error that ended it."""

    def __init__(self, room: int, drops: bool) -> None:
        self._frames: deque[VideoFrame] = deque(maxlen=room if drops else None)
        self._room, self._drops = room, drops
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def put(self, frame: VideoFrame) -> bool:
        """Add a frame; False once nobody wants any."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._drops or len(self._frames) < self._room)
            self._frames.append(frame)
            self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None) -> None:
        """No frame will come any more."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> VideoFrame | None:
        """The next frame, None after the last; raises what ended the reading."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._frames) or self._ended)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            if self._error is not None:
                raise self._error
            return None

    def close(self) -> None:
        """Frames are not wanted any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _fill(shelf: _Shelf, reader: VideoReader, fps: float | None) -> None:
    """Runs in the thread, which alone touches the reader from here on and closes it."""
    error: BaseException | None = None
    try:
        for frame in reader.frames(fps):
            if not shelf.put(frame):
                break
    except BaseException as raised:  # it is raised again where the frames are taken
        error = raised
    finally:
        reader.close()
        shelf.end(error)
