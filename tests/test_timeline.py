"""The timeline: colours at the right place of the picture, and a page that holds everything and asks for nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emolens.drawing.photo import COLOURS
from emolens.watching import timeline as rooms
from emolens.watching.page import timeline_page
from emolens.watching.summary import Summary
from emolens.watching.timeline import EMPTY, GAP, HEIGHT, LEFT, RIGHT, SPARE, WIDTH, Type, draw_timeline, headline
from fakes_video import evoking, frame, shows


def summed(source: str = "clip.mp4", people: bool = True) -> Summary:
    """Ten seconds: person 1 happy for five of them and then angry; person 2 afraid from 2 s to 4 s."""
    summary = Summary(source)
    for n in range(100):
        seen = {1: shows("happiness" if n < 50 else "anger", 1.0), **({2: shows("fear", 1.0)} if 20 <= n < 40 else {})}
        summary.add(frame(n, n / 10, seen if people else {}, source))
    summary.finish()
    return summary


def middle(picture: np.ndarray, lane: int, seconds: float) -> tuple[int, ...]:
    x = LEFT + round(seconds / 10 * (WIDTH - LEFT - RIGHT))
    y = 60 + 2 * Type(36).line + GAP + lane * (HEIGHT + GAP) + HEIGHT // 2
    return tuple(int(v) for v in picture[y, x])


def test_the_lanes_have_the_colours_of_their_time() -> None:
    picture = draw_timeline(summed())
    group, first, second = 0, 1, 2
    assert middle(picture, group, 1) == COLOURS["positive"]
    assert middle(picture, group, 8) == COLOURS["negative"]
    assert middle(picture, first, 2) == COLOURS["happiness"]
    assert middle(picture, first, 8) == COLOURS["anger"]
    assert [middle(picture, second, t) for t in (1, 3, 5)] == [EMPTY, COLOURS["fear"], EMPTY]


def test_a_video_without_a_face_has_a_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw_timeline(summed(people=False)).shape[1:] == (WIDTH, 3)
    assert '"lanes":[]' in timeline_page(summed(people=False))


def test_of_a_crowd_those_seen_longest_are_shown() -> None:
    summary = Summary("crowd.mp4")
    for n in range(40):
        summary.add(frame(n, n / 10, {track: "neutral" for track in range(1, 31) if n >= track}))
    summary.finish()
    titles = [strip.title for strip in rooms.strips(summary)]
    assert titles == ["group", *(f"person {n}" for n in range(1, 13))]


def test_what_is_evoked_has_the_last_lane_and_colours_of_its_own() -> None:
    summary = Summary("clip.mp4")
    for n in range(100):
        summary.add(evoking(n, n / 10, "nostalgia" if n < 50 else "fear", 1.0, ["happiness"]))
    summary.finish()
    assert [(strip.kind, strip.title) for strip in rooms.strips(summary)] == [
        ("faces", "person 1"),
        ("evokes", "evokes"),
    ]
    picture = draw_timeline(summary)
    assert [middle(picture, 1, t) for t in (1, 9)] == [SPARE[1], COLOURS["fear"]]  # calm has the first
    legend = dict(content(timeline_page(summary))["legend"])
    assert list(legend) == ["faces", "evokes"]
    assert legend["faces"] == ["happiness"]
    assert legend["evokes"] == ["nostalgia", "fear"]  # calm was never seen


def test_people_are_counted_where_only_the_group_was_asked_for() -> None:
    summary = Summary("clip.mp4")
    for n in range(10):
        summary.add(replace(frame(n, n / 10, {1: "happiness"}), expressions=()))
    summary.finish()
    assert "1 person" in headline(summary)
    assert [strip.kind for strip in rooms.strips(summary)] == ["group"]


def test_a_frame_alone_has_a_face_all_the_time() -> None:
    summary = Summary("clip.mp4")
    summary.add(frame(0, 0.0, {1: "happiness"}))
    summary.finish()
    assert "a face in 100% of the time" in headline(summary)


def content(page: str) -> dict:  # type: ignore[type-arg]
    return json.loads(re.search(r"const data = (.*);\n", page)[1])  # type: ignore[index]


def test_the_page_holds_the_course_of_everybody() -> None:
    data = content(timeline_page(summed(), "annotated.mp4"))
    assert [lane["title"] for lane in data["lanes"]] == ["group", "person 1", "person 2"]
    first = data["lanes"][1]
    assert [c["to"] for c in first["changes"]] == ["anger"]
    assert dict(first["shares"]) == pytest.approx({"happiness": 0.5, "anger": 0.5})
    (span,) = first["spans"]
    assert len(span["times"]) == len(span["values"]) == 100
    happiness = first["classes"].index("happiness")
    assert (span["values"][10][happiness], span["values"][90][happiness]) == (1000, 0)
    assert data["lanes"][2]["spans"][0]["times"][0] == 2.0
    assert data["film"] == "annotated.mp4"


def test_the_page_asks_nobody_for_anything() -> None:
    page = timeline_page(summed())
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"<(link|script)[^>]+(src|href)=|@import|url\(|fetch\(|XMLHttpRequest|WebSocket", page)
    assert "default-src 'none'" in page


def test_a_hostile_name_stays_a_name() -> None:
    name = "</script><script>alert(1)</script><!-- \u2028'\".mp4"
    page = timeline_page(summed(name))
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<!--" not in page
    assert content(page)["source"] == name.rsplit("/", 1)[-1]


def test_the_script_of_the_page_is_whole(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here to read the script")
    script = re.search(r"<script>(.*)</script>", timeline_page(summed()), re.DOTALL)
    (tmp_path / "page.js").write_text(script[1])  # type: ignore[index]
    done = subprocess.run([node, "--check", str(tmp_path / "page.js")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
