"""A short video that came over HTTP: watched from memory, one at a time, and told as its timeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from threading import Event
from typing import Any

from emolens.analyzer import Analyzer
from emolens.errors import InputError, TooLarge
from emolens.records import FrameResult
from emolens.server.bodies import Upload
from emolens.server.problems import Problem
from emolens.server.service import Service
from emolens.video import VideoReader
from emolens.watching.overlay import overlay
from emolens.watching.page import timeline_content
from emolens.watching.stream import watch
from emolens.watching.summary import Summary

SMOOTH_S = 0.5
"""Boxes on key moments show the mean over about so long, as those of `emolens video` do."""


def film_answer(
    film: Upload, analyzer: Analyzer, service: Service, keep: Callable[[FrameResult], None], stop: Event
) -> dict[str, Any]:
    """Summary and timeline of a video, whose frames `keep` is given; it ends early once `stop` is set.

    What is damaged or cut off is told up to there, with the reason in `message`. Raises `InputError` for what is no
    video or too long, `Problem` 503 where it takes too long.
    """
    summary = Summary(film.name)
    message = ""
    deadline = time.monotonic() + service.film_wait
    try:
        for result in _results(film, analyzer, service):
            if stop.is_set() or time.monotonic() > deadline:
                raise Problem(503, f"not watched to its end in {service.film_wait:g} s; send a shorter part", 10)
            summary.add(result, cache(partial(overlay, result.pixels, result)))  # type: ignore[arg-type]
            keep(replace(result, pixels=None))
    except InputError as error:
        if not summary.frames or isinstance(error, TooLarge):
            raise
        message = str(error)
    summary.finish()
    return {"summary": summary.record(), "timeline": timeline_content(summary), "message": message}


def _results(film: Upload, analyzer: Analyzer, service: Service) -> Iterator[FrameResult]:
    reader = VideoReader(film, service.pictures)
    try:
        _check_length(film.name, reader.duration_s or 0.0, service)
        frames = watch(reader, fps=service.film_fps, smooth=SMOOTH_S, pixels=True, analyzer=analyzer)
    except InputError:
        reader.close()
        raise
    with closing(frames):
        for result in frames:
            _check_length(film.name, result.time_s, service)  # a file may say anything about its length
            yield result


def _check_length(name: str, seconds: float, service: Service) -> None:
    if seconds > service.film_seconds:
        raise TooLarge(
            f"{name}: a video of {seconds:.0f} s or more, at most {service.film_seconds:g} s are watched here; "
            "send a shorter part, or run 'emolens video'"
        )
