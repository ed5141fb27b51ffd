"""Results as tidy rows and as nested records; `emolens.writers` streams either of them to a file.

One row per target and task: a face and its expression, the group and its affect, the picture (`image`), what it evokes
and where that comes from: centre of mass and spread of the stimuli map in pixels, and its share on faces. A picture in
which no face was found, or that could not be read, has a row of its own that says so in `status` and has no task. Every
file has the same columns in the same order, so files of different runs and models concatenate; what does not apply is
empty.

`face` counts from 1, as the numbers on an annotated picture do. The row of an abstained prediction has the status
`abstained` and no label, and keeps its distribution, confidence and entropy: they say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from emolens.errors import OutputError
from emolens.records import Face, FrameResult, PhotoResult, Prediction, StimuliMap
from emolens.taxonomy import CANONICAL, GROUP3

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1
CLASSES = (*CANONICAL, *(c for c in GROUP3.classes if c not in CANONICAL))
"""The classes that have a column: the eight expressions, then negative and positive; they share `neutral`."""

Row = dict[str, Any]

_BEFORE = ("source", "frame", "time_s", "target", "task", "face", "track_id", "status", "x1", "y1", "x2", "y2",
           "det_score", "label", "confidence", "entropy")  # fmt: skip
_AFTER = ("valence", "arousal", "map_x", "map_y", "map_spread", "map_on_faces", "model", "model_sha", "schema_version")


def columns(classes: Iterable[str] = ()) -> tuple[str, ...]:
    """The columns of a table; `classes` beyond `CLASSES` (of a model with labels of its own) come after the others."""
    own = [c for c in dict.fromkeys(classes) if c not in CLASSES]
    return (*_BEFORE, *(f"p_{c}" for c in (*CLASSES, *own)), *_AFTER)


COLUMNS = columns()


def rows(result: PhotoResult) -> list[Row]:
    """The tidy rows of one picture, each with all of `COLUMNS`; values that do not apply are None.

    A class that has no column gets a key of its own, `p_<class>`.
    """
    found = [
        _prediction_row(result, p, "face", face=n, **_place(result, result.faces[n - 1]))
        for n, p in enumerate(result.expressions, start=1)
    ]
    if result.group is not None:
        found.append(_prediction_row(result, result.group.prediction, "group"))
    if not found:  # detection alone was asked for
        found = [
            _row(result, target="face", face=n, status="ok", **_place(result, face))
            for n, face in enumerate(result.faces, start=1)
        ]
    if result.status != "ok" or not (found or result.evoked or result.stimuli):
        found.append(_row(result, target="image", status=result.status))
    if result.evoked is not None:
        found.append(_prediction_row(result, result.evoked, "image"))
    if result.stimuli is not None:
        found.append(_map_row(result, result.stimuli))
    return found


def _row(result: PhotoResult, **values: Any) -> Row:
    placed = {**dict.fromkeys(COLUMNS), "source": _text(result.source), "schema_version": SCHEMA_VERSION}
    if isinstance(result, FrameResult):
        placed |= {"frame": result.frame, "time_s": float(result.time_s)}
    return {**placed, **values}


def _prediction_row(result: PhotoResult, prediction: Prediction, target: str, **place: Any) -> Row:
    return _row(
        result,
        target=target,
        task=prediction.task,
        status="abstained" if prediction.abstained else "ok",
        **place,
        label=None if prediction.abstained else prediction.label,
        confidence=float(prediction.confidence),
        entropy=prediction.entropy,
        valence=prediction.valence,
        arousal=prediction.arousal,
        model=prediction.model,
        model_sha=prediction.model_sha or None,
        **{f"p_{c}": float(p) for c, p in zip(prediction.taxonomy.classes, prediction.distribution, strict=True)},
    )


def _map_row(result: PhotoResult, found: StimuliMap) -> Row:
    x, y = found.centre or (None, None)
    return _row(
        result,
        target="image",
        task="stimuli",
        status="ok",
        map_x=x,
        map_y=y,
        map_spread=found.spread,
        map_on_faces=_on_faces(result, found),
        model=found.model,
        model_sha=found.model_sha or None,
    )


def _on_faces(result: PhotoResult, found: StimuliMap) -> float | None:
    """The share of a map that lies on faces; None where nobody looked for any."""
    return found.share_on(result.faces) if result.detector else None


def _place(result: PhotoResult, face: Face) -> Row:
    """Where a face lies; one that was not looked for in its frame, but placed by how it moved, has no score there."""
    x1, y1, x2, y2 = (float(v) for v in face.box)
    score = float(face.score) if not isinstance(result, FrameResult) or result.detected else None
    return {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "det_score": score, "track_id": face.track_id}


def _text(name: str) -> str:
    """File names may hold bytes that are no text; UTF-8 files and Parquet may not."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def nested(result: PhotoResult) -> dict[str, Any]:
    """One picture as a JSON-ready record: its faces, its group, what it evokes, and the models that spoke."""
    spoken: Sequence[Prediction | None] = result.expressions or (None,) * len(result.faces)
    group = result.group
    models = [*result.expressions, *([group.prediction] if group else []), *([result.evoked] if result.evoked else [])]
    named = {p.model: {"task": p.task, "sha256": p.model_sha} for p in models}
    if result.stimuli is not None and result.stimuli.model not in named:
        named[result.stimuli.model] = {"task": "stimuli", "sha256": result.stimuli.model_sha}
    return {
        "source": _text(result.source),
        **(_moment(result) if isinstance(result, FrameResult) else {}),
        "status": result.status,
        "message": _text(result.message),
        "size": list(result.size),
        "detector": result.detector,
        "faces": [_nested_face(n, f, p) for n, (f, p) in enumerate(zip(result.faces, spoken, strict=True), start=1)],
        "group": group and {**_said(group.prediction), "contributions": [_short(w) for w in group.contributions]},
        "evoked": result.evoked and _evoked(result.evoked),
        "stimuli": result.stimuli and _stimuli(result, result.stimuli),
        "models": named,
        "schema_version": SCHEMA_VERSION,
    }


def _moment(result: FrameResult) -> dict[str, Any]:
    return {"frame": result.frame, "time_s": result.time_s, "detected": result.detected}


def _nested_face(number: int, face: Face, prediction: Prediction | None) -> dict[str, Any]:
    return {
        "number": number,
        "track_id": face.track_id,
        "box": [_short(v) for v in face.box],
        "score": _short(face.score),
        "landmarks": None if face.landmarks is None else [[_short(x), _short(y)] for x, y in face.landmarks],
        **(_said(prediction) if prediction else {}),
    }


def _said(prediction: Prediction) -> dict[str, Any]:
    return {
        "status": "abstained" if prediction.abstained else "ok",
        "label": None if prediction.abstained else prediction.label,
        "confidence": _short(prediction.confidence),
        "entropy": _short(prediction.entropy),
        "distribution": {
            c: _short(p) for c, p in zip(prediction.taxonomy.classes, prediction.distribution, strict=True)
        },
    }


def _evoked(prediction: Prediction) -> dict[str, Any]:
    values = {"valence": prediction.valence, "arousal": prediction.arousal}
    return {**_said(prediction), **{name: None if v is None else _short(v) for name, v in values.items()}}


def _stimuli(result: PhotoResult, found: StimuliMap) -> dict[str, Any]:
    told = {"spread": found.spread, "on_faces": _on_faces(result, found), "agreement": found.agreement}
    return {
        "model": found.model,
        "centre": found.centre and [_short(v) for v in found.centre],
        **{name: None if value is None else _short(value) for name, value in told.items()},
        "emotions": list(found.taxonomy.classes) if found.emotions is not None and found.taxonomy else [],
    }


def _short(value: float) -> float:
    """Six significant digits: what float32 holds, without its tail."""
    return float(f"{float(value):.6g}")


def to_pandas(results: Iterable[PhotoResult]) -> pandas.DataFrame:
    """The rows of many results as a DataFrame. Raises `OutputError` where pandas is not installed."""
    try:
        import pandas
    except ImportError:
        raise OutputError("a DataFrame needs pandas, which emolens does not bring: pip install pandas") from None
    return pandas.DataFrame([row for result in results for row in rows(result)])
