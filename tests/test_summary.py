"""The summary of a video: seconds counted by hand, stalls, absences, moments."""

from __future__ import annotations

import json

import pytest

from emolens.records import FrameResult
from emolens.watching.moments import Moments
from emolens.watching.summary import Summary
from fakes_video import evoking, frame, shows


def summed(frames: list[FrameResult]) -> Summary:
    summary = Summary("clip.mp4")
    for one in frames:
        summary.add(one)
    summary.finish()
    return summary


def test_shares_are_of_time_not_of_frames() -> None:
    # Three frames of happiness 0.1 s apart, then two of anger 0.3 s apart; the last stands for as long as that.
    times = [0.0, 0.1, 0.2, 0.3, 0.6]
    labels = ["happiness"] * 3 + ["anger"] * 2
    told = summed([frame(n, t, {1: label}) for n, (t, label) in enumerate(zip(times, labels, strict=True))]).record()
    person = told["people"][0]
    assert told["seconds"] == pytest.approx(0.9)
    assert person["time_shares"] == pytest.approx({"anger": 0.6 / 0.9, "happiness": 0.3 / 0.9}, abs=1e-5)
    assert person["main"] == "anger"
    assert list(person["time_shares"]) == ["anger", "happiness"]


def test_a_stalled_stream_is_no_long_smile() -> None:
    told = summed([frame(n, t, {1: "happiness"}) for n, t in enumerate([0.0, 0.1, 60.0, 60.1])]).record()
    assert told["seconds"] == pytest.approx(0.1 + 1.0 + 0.1 + 0.1)
    slow = summed([frame(n, 10.0 * n, {1: "happiness"}) for n in range(4)]).record()
    assert slow["seconds"] == pytest.approx(40)  # every tenth second by wish is no stall


def test_who_was_seen_when() -> None:
    frames = [frame(n, n / 10, {1: "neutral", **({2: "sadness"} if 10 <= n < 30 else {})}) for n in range(50)]
    told = summed([*frames, frame(50, 5.0, {})]).record()
    first, second = told["people"]
    assert (first["track_id"], first["frames"], first["last_s"]) == (1, 50, 4.9)
    assert (second["track_id"], second["first_frame"], second["last_frame"]) == (2, 10, 29)
    assert second["seconds"] == pytest.approx(2.0)
    assert told["seconds_with_faces"] == pytest.approx(5.0)
    assert (told["frames"], told["faces"], told["most_faces"]) == (51, 70, 2)


def test_the_group_over_time_turns_with_the_people() -> None:
    frames = [frame(n, n / 10, dict.fromkeys((1, 2), "happiness" if n < 30 else "anger")) for n in range(60)]
    group = summed(frames).record()["group"]
    assert [(c["from"], c["to"]) for c in group["changes"]] == [("positive", "negative")]
    assert group["changes"][0]["time_s"] == pytest.approx(3.0, abs=0.11)
    assert group["time_shares"] == pytest.approx({"positive": 0.5, "negative": 0.5})


def test_an_abstained_frame_counts_as_unsure() -> None:
    frames = [frame(n, n / 10, {1: shows("fear", 0.4, abstained=n % 2 == 0)}) for n in range(10)]
    assert summed(frames).record()["people"][0]["time_shares"] == pytest.approx({"unsure": 0.5, "fear": 0.5})


def test_a_video_without_a_face_and_a_single_frame_are_summaries_too() -> None:
    told = summed([frame(n, n / 10, {}) for n in range(5)]).record()
    assert (told["people"], told["group"], told["moments"], told["seconds_with_faces"]) == ([], None, [], 0)
    alone = summed([frame(0, 0.0, {1: "fear"})]).record()
    assert alone["people"][0]["time_shares"] == {"fear": 1.0}
    assert alone["seconds"] == 0


def test_the_record_is_json() -> None:
    told = summed([frame(n, n / 10, {1: "happiness", 2: "anger"}) for n in range(30)]).record()
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_key_moments_are_the_clearest_frames() -> None:
    moments = Moments()
    shares = {3: 0.6, 7: 0.95, 8: 0.96, 11: 0.5}  # 0.96 is not clearer by the margin
    for n in range(12):
        moments.add(frame(n, n / 10, {4: shows("surprise", shares.get(n, 0.2))}))
    assert [(m.kind, m.frame, m.track_id) for m in moments.list()] == [("clearest_surprise", 7, 4)]
    assert moments.list()[0].says == "Clearest surprise: 95%, person 4"


def test_a_neutral_face_and_an_unsure_one_are_no_moments() -> None:
    moments = Moments()
    moments.add(frame(0, 0.0, {1: shows("neutral", 0.99)}))
    moments.add(frame(1, 0.1, {1: shows("anger", 0.99, abstained=True)}))
    assert moments.list() == []


def test_what_the_frames_evoke_has_a_course_and_moments_of_its_own() -> None:
    frames = [evoking(n, n / 10, "nostalgia" if n < 30 else "fear", 0.6 if n < 50 else 0.9) for n in range(60)]
    summary = summed(frames)
    told = summary.record()
    assert (told["people"], told["group"], told["faces"]) == ([], None, 0)
    assert told["evoked"]["time_shares"] == pytest.approx({"nostalgia": 0.5, "fear": 0.5})
    (change,) = told["evoked"]["changes"]
    assert (change["from"], change["to"]) == ("nostalgia", "fear")
    assert change["time_s"] == pytest.approx(3.0, abs=0.11)
    assert told["models"] == {"picture_net": ""}
    assert [(m["kind"], m["frame"]) for m in told["moments"]] == [("evoked_nostalgia", 0), ("evoked_fear", 50)]


def test_times_are_exact_to_the_millisecond_after_a_day() -> None:
    told = summed([frame(n, 86_400 + n / 25, {1: "fear"}) for n in range(4)]).record()
    assert (told["first_s"], told["last_s"]) == (86_400.0, 86_400.12)
