"""The answers as OpenAPI tells them. They document what `tables.nested` gives; nothing is built from them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from emolens.records import Status


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow")


class Trouble(_Told):
    """A refusal (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Content Too Large"])
    status: int = Field(examples=[413])
    detail: str = Field(description="One line: what came, what is allowed, what to do.")


class Said(_Told):
    """A distribution over labels. `label` is null where the model abstained."""

    status: str | None = Field(None, examples=["ok"])
    label: str | None = Field(None, examples=["happiness"])
    confidence: float | None = Field(None, description="Calibrated probability that the label is right.")
    entropy: float | None = Field(None, description="Shannon entropy of the distribution in nats.")
    distribution: dict[str, float] | None = Field(
        None, description="Sums to 1; calibrated to how people's votes spread."
    )


class FaceTold(Said):
    """A face and what it shows."""

    number: int = Field(description="From 1, by falling score, as on the annotated picture.")
    track_id: int | None = None
    box: list[float] = Field(description="x1, y1, x2, y2 in pixels of the upright picture.")
    score: float = Field(description="The detector's, 0 to 1.")
    landmarks: list[list[float]] | None = Field(None, description="Eyes, nose, mouth corners, left to right as seen.")


class GroupTold(Said):
    """How the group looks, and the share of each face in that."""

    contributions: list[float]


class EvokedTold(Said):
    """What the picture evokes in those who look at it; valence and arousal from 1 to 9."""

    valence: float | None = None
    arousal: float | None = None


class StimuliTold(_Told):
    """What in the picture evokes it: where the weight of the map lies, and with `task=stimuli` the maps."""

    model: str
    centre: list[float] | None = Field(None, description="Centre of mass, x and y in pixels.")
    spread: float | None = Field(None, description="Root of the mean squared distance from there, in pixels.")
    on_faces: float | None = Field(None, description="The share of the weight that lies on faces.")
    agreement: float | None = Field(None, description="Mean correlation of the emotions' maps; above .95 they are one.")
    emotions: list[str] = Field(default_factory=list)
    map: str | None = Field(None, description="A grey PNG as a data URI: white is where most of it comes from.")
    maps: dict[str, str] = Field(default_factory=dict, description="The same for each emotion.")


class PictureTold(_Told):
    """Everything said about one picture."""

    source: str = Field(description="The name that its sender gave it.", examples=["photo.jpg"])
    status: Status
    message: str = ""
    size: list[int] = Field(description="Width and height in pixels.")
    detector: str = ""
    faces: list[FaceTold]
    group: GroupTold | None = None
    evoked: EvokedTold | None = None
    stimuli: StimuliTold | None = None
    models: dict[str, Any] = Field(default_factory=dict)
    schema_version: int


class Answer(_Told):
    """One result for each picture, in the order in which they came."""

    results: list[PictureTold]
    csv: str | None = Field(None, description="The same as tidy rows, with `csv=true`.")
    notice: str


class FilmAnswer(_Told):
    """Who showed what, when."""

    summary: dict[str, Any]
    timeline: dict[str, Any] = Field(description="What the page draws the timeline from.")
    csv: str | None = Field(None, description="A row a face and frame, with `csv=true`.")
    message: str = Field("", description="Why it ended early, where it did.")


class Models(_Told):
    """What answers here, and how much may be sent."""

    tasks: list[str]
    detector: str
    models: list[dict[str, Any]]
    limits: dict[str, float]
    urls: bool = Field(description="Whether pictures may be named by URL.")
    version: str


class Health(_Told):
    """Whether pictures are answered."""

    status: str = Field(examples=["ok"])


_FILE = {"type": "string", "format": "binary"}
_PIXEL = "data:image/png;base64,iVBORw0KGgo..."
_SOURCE = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "array", "items": _FILE, "description": "Pictures; repeat the field for more."},
                    "url": {"type": "array", "items": {"type": "string"}, "description": "Where --allow-urls is set."},
                },
            },
        },
        "application/octet-stream": {"schema": _FILE},
        "application/json": {
            "schema": {"type": "object", "required": ["source"], "properties": {"source": _SOURCE}},
            "examples": {
                "one": {"summary": "A picture as a data URI", "value": {"source": _PIXEL}},
                "several": {"summary": "Several", "value": {"source": [_PIXEL, _PIXEL]}},
            },
        },
    },
}
FILM_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}},
        },
        "application/octet-stream": {"schema": _FILE},
    },
}
EXAMPLE: dict[str, Any] = {
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
REASONS = {
    401: "The key is missing or another one.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, pixels, faces, pictures or seconds.",
    415: "Not a kind of body or picture that is read.",
    422: "Broken, too small, or not allowed.",
    429: "One client has its share inside; see Retry-After.",
    503: "The queue is full, or the answer took too long; see Retry-After.",
}
TROUBLES: dict[int | str, dict[str, Any]] = {
    code: {
        "model": Trouble,
        "description": reason,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Trouble"}}},
        **({"headers": {"Retry-After": {"schema": {"type": "integer"}}}} if code in (429, 503) else {}),
    }
    for code, reason in REASONS.items()
}
