"""The examples in the OpenAPI document. Those of requests can be sent as they are; those of answers were given."""

from __future__ import annotations

from typing import Any

PIXELS = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQAAAAA3iMLMAAAADElEQVR42mNgIA0AAAAwAAEodEl9AAAAAElFTkSuQmCC"
)
"""A black PNG of 16 x 16 pixels, the smallest that is read."""
FORMS: dict[str, Any] = {
    "one": {"summary": "A picture: curl -F file=@photo.jpg, or as a data URI", "value": {"file": [PIXELS]}},
    "several": {"summary": "Several: curl -F file=@a.jpg -F file=@b.jpg", "value": {"file": [PIXELS, PIXELS]}},
}
SOURCES: dict[str, Any] = {
    "one": {"summary": "A picture as a data URI", "value": {"source": PIXELS}},
    "several": {"summary": "Several", "value": {"source": [PIXELS, PIXELS]}},
}
FILM_FORMS: dict[str, Any] = {
    "one": {"summary": "A video: curl -F file=@clip.mp4", "value": {"file": "the bytes of clip.mp4"}},
}
ANSWER: dict[str, Any] = {
    "results": [
        {
            "source": "astronaut.png",
            "status": "ok",
            "message": "",
            "size": [512, 512],
            "detector": "mtcnn",
            "faces": [
                {
                    "number": 1,
                    "track_id": None,
                    "box": [178.93, 58.5469, 268.612, 174.282],
                    "score": 0.999957,
                    "landmarks": [
                        [204.01, 101.095],
                        [246.343, 103.288],
                        [224.948, 127.165],
                        [201.599, 140.835],
                        [244.916, 141.525],
                    ],
                    "status": "ok",
                    "label": "happiness",
                    "confidence": 0.999985,
                    "entropy": 0.0172891,
                    "distribution": {"neutral": 0.002, "happiness": 0.998},
                }
            ],
            "group": {
                "status": "ok",
                "label": "positive",
                "confidence": 0.998,
                "entropy": 0.014,
                "distribution": {"negative": 0.0, "neutral": 0.002, "positive": 0.998},
                "contributions": [1.0],
            },
            "evoked": None,
            "stimuli": None,
            "models": {"expression_ferplus": {"task": "expression", "sha256": "…"}},
            "schema_version": 1,
        }
    ],
    "notice": "Apparent expression, not feeling: what a face shows is not what a person feels.",
}
FILM: dict[str, Any] = {
    "summary": {
        "schema_version": 1,
        "source": "astronaut.mp4",
        "size": [512, 512],
        "frames": 10,
        "damaged": 0,
        "first_s": 0.0,
        "last_s": 1.8,
        "seconds": 2.0,
        "seconds_with_faces": 2.0,
        "faces": 10,
        "most_faces": 1,
        "detector": "mtcnn",
        "models": {"expression_ferplus": "…"},
        "method": {"smoothing_s": 1.0, "hold_s": 1.0, "gap_s": 1.0, "resolution_s": 0.2},
        "people": [
            {
                "track_id": 1,
                "first_s": 0.0,
                "last_s": 1.8,
                "first_frame": 0,
                "last_frame": 9,
                "frames": 10,
                "seconds": 2.0,
                "main": "happiness",
                "time_shares": {"happiness": 1.0},
                "mean_distribution": {"neutral": 0.002, "happiness": 0.998},
                "changes": [],
            }
        ],
        "group": {
            "first_s": 0.0,
            "last_s": 1.8,
            "first_frame": 0,
            "last_frame": 9,
            "frames": 10,
            "seconds": 2.0,
            "main": "positive",
            "time_shares": {"positive": 1.0},
            "mean_distribution": {"negative": 0.0, "neutral": 0.002, "positive": 0.998},
            "changes": [],
        },
        "evoked": None,
        "moments": [
            {
                "kind": "clearest_happiness",
                "says": "Clearest happiness: 100%, person 1",
                "time_s": 0.0,
                "frame": 0,
                "track_id": 1,
            }
        ],
        "notice": ANSWER["notice"],
    },
    "timeline": {"headline": "0:02.0  ·  10 frames analysed  ·  1 person  ·  a face in 100% of the time", "lanes": []},
    "message": "",
}
