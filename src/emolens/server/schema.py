"""The answers as OpenAPI tells them. They document what `tables.nested` gives; nothing is built from them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from emolens.records import Status
from emolens.server import examples


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


FILE = {"type": "string", "format": "binary"}
_SOURCE = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {
                        "type": "array",
                        "items": FILE,
                        "description": "Pictures, as files or as data URIs; repeat the field for more.",
                    },
                    "url": {"type": "array", "items": {"type": "string"}, "description": "Where --allow-urls is set."},
                },
            },
            "examples": examples.FORMS,
        },
        "application/octet-stream": {"schema": FILE},
        "application/json": {
            "schema": {"type": "object", "required": ["source"], "properties": {"source": _SOURCE}},
            "examples": examples.SOURCES,
        },
    },
}
FILM_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": FILE}},
            "examples": examples.FILM_FORMS,
        },
        "application/octet-stream": {"schema": FILE},
    },
}
REASONS = {
    401: "The key is missing or another one.",
    403: "A page of another site calls, which is not allowed in.",
    408: "The body did not arrive in time.",
    413: "Too many bytes, pixels, faces, pictures or seconds.",
    415: "Not a kind of body or picture that is read.",
    421: "Called by a name that is not this service's.",
    422: "Broken, too small, or not allowed.",
    429: "One client has its share inside; see Retry-After.",
    431: "The head of the request is too large.",
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
DOOR: dict[int | str, dict[str, Any]] = {code: TROUBLES[code] for code in (403, 421, 431)}
"""What anything that is asked for may hear; where there is a key, `LOCKED` too."""
LOCKED: dict[int | str, dict[str, Any]] = {401: TROUBLES[401], **DOOR}
