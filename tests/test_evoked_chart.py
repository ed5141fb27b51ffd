"""The chart of what a picture evokes: areas are shares, places are the wheel's, and everything stays on the paper."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from emolens.drawing.evoked_chart import affect_square, bars, evoked_panel, evoked_sheet, wheel
from emolens.drawing.palette import COLOURS, UNSURE, colour_of
from emolens.drawing.photo import annotate
from emolens.drawing.shapes import Drawing, Polygon, Shape, Words, as_pixels, as_svg, text_width
from emolens.records import PhotoResult, Prediction
from emolens.taxonomy import EKMAN6, EMOTION6, MIKELS8, Taxonomy
from emolens.wheel import wheel_place
from test_shapes import area

SHARES = [0.05, 0.1, 0.2, 0.3, 0.05, 0.1, 0.2]


def said(taxonomy: Taxonomy = EMOTION6, shares: list[float] | None = None, **changes: object) -> Prediction:
    given = np.array(shares or SHARES, np.float32)
    fields = {"valence": 6.5, "arousal": 4.0, **changes}
    return Prediction("evoked", taxonomy, given / given.sum(), 0.5, "net", **fields)


def coloured(shapes: list[Shape], name: str) -> list[Polygon]:
    return [shape for shape in shapes if isinstance(shape, Polygon) and shape.fill == colour_of(name)]


def words(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Words)]


def test_the_same_area_is_the_same_share_on_the_wheel_and_in_its_middle() -> None:
    shapes = wheel(said(), (0, 0), 10)
    areas = {name: area(coloured(shapes, name)[-1].points) for name in EMOTION6.classes}
    middle = areas.pop("neutral") / said().probability("neutral")
    for name, covered in areas.items():  # a sector is a degree narrower at each side, so that neighbours do not touch
        assert covered / said().probability(name) == pytest.approx(middle * 43 / 45, rel=0.01), name


def test_each_emotion_stands_at_its_place() -> None:
    for taxonomy in (EMOTION6, MIKELS8, EKMAN6):
        shapes = wheel(said(taxonomy, [1.0] * len(taxonomy)), (0, 0), 10)
        for name in taxonomy.classes:
            x, y = np.mean(coloured(shapes, name)[-1].points, axis=0)
            place = wheel_place(name)
            if place is None:
                assert math.hypot(x, y) < 1
            else:
                assert math.degrees(math.atan2(x, -y)) % 360 == pytest.approx(place * 45, abs=1), name


def test_places_without_a_class_are_named_and_have_no_share() -> None:
    told = words(Drawing(1, 1, tuple(wheel(said(), (0, 0), 10))))
    assert {"excitement", "contentment"} <= set(told)
    assert "amusement" not in told  # happiness stands there
    assert told.count("20%") == 1  # fear; neutral in the middle is told by the bars


def test_bars_are_as_long_as_their_shares() -> None:
    found = bars(said(), (0, 0), 300, 10)
    lengths = {name: np.ptp([x for x, _ in coloured(found, name)[0].points]) for name in EMOTION6.classes}
    whole = lengths["happiness"] / 0.3
    for name, share in zip(EMOTION6.classes, SHARES, strict=True):
        assert lengths[name] == pytest.approx(share * whole, rel=1e-3)
    assert [shape.text for shape in found if isinstance(shape, Words)][::2] == list(EMOTION6.classes)


@pytest.mark.parametrize(
    ("affect", "place"), [((1, 1), (0, 80)), ((9, 9), (80, 0)), ((5, 5), (40, 40)), ((9, 1), (80, 80))]
)
def test_the_point_of_valence_and_arousal_by_hand(affect: tuple[float, float], place: tuple[float, float]) -> None:
    shapes = affect_square(affect, (1, 2, 3), (0, 0), 80, 5)
    (point,) = [shape for shape in shapes if isinstance(shape, Polygon) and shape.fill == (1, 2, 3)]
    middle = [(min(c) + max(c)) / 2 for c in zip(*point.points, strict=True)]
    assert middle == pytest.approx(place, abs=0.1)


@pytest.mark.parametrize("width", [300, 320, 500, 560, 640, 800, 1000, 4000])
@pytest.mark.parametrize("taxonomy", [EMOTION6, MIKELS8])
@pytest.mark.parametrize("valence", [None, 1.0])
def test_everything_stays_on_the_paper(width: int, taxonomy: Taxonomy, valence: float | None) -> None:
    prediction = said(taxonomy, [1.0] * len(taxonomy), valence=valence, arousal=valence)
    drawing = evoked_panel(prediction, width, max(12, min(0.017 * width, width / 24)))
    assert drawing.width == width
    for shape in drawing.shapes:
        if isinstance(shape, Words):
            before = {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor] * text_width(shape.text, shape.size)
            left, top = shape.at[0] - before, shape.at[1] - shape.size / 2
            points = [(left, top), (left + text_width(shape.text, shape.size), top + shape.size)]
        else:
            points = list(shape.points)
        for x, y in points:
            assert -1 <= x <= width + 1, shape
            assert 0 <= y <= drawing.height, shape


def test_words_do_not_lie_on_each_other() -> None:
    for width in (320, 560, 640, 1000):
        drawing = evoked_panel(said(), width, max(12, min(0.017 * width, width / 24)))
        rects = []
        for shape in drawing.shapes:
            if isinstance(shape, Words):
                long = text_width(shape.text, shape.size)
                left = shape.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor] * long
                rects.append(
                    (shape.text, left, shape.at[1] - 0.36 * shape.size, left + long, shape.at[1] + 0.36 * shape.size)
                )
        for n, (one, x1, y1, x2, y2) in enumerate(rects):
            for other, u1, v1, u2, v2 in rects[:n]:
                assert min(x2, u2) <= max(x1, u1) or min(y2, v2) <= max(y1, v1), (width, one, other)


def test_what_is_said_is_written() -> None:
    told = " ".join(words(evoked_sheet(said())))
    assert "Evokes: happiness 30%  ·  valence 6.5  ·  arousal 4.0" in told
    assert "evoked in viewers, not felt by those in it" in told
    assert "net" in told
    unsure = evoked_sheet(said(abstained=True))
    assert words(unsure)[0].startswith("Evokes: unsure")
    assert UNSURE in {shape.fill for shape in unsure.shapes if isinstance(shape, Polygon)}
    assert "valence" not in " ".join(words(evoked_sheet(said(valence=None, arousal=None))))


@pytest.mark.parametrize(
    "classes", [("boredom", "calm", "neutral"), ("happiness", "amusement"), tuple(f"class{n}" for n in range(26))]
)
def test_classes_that_do_not_stand_on_the_wheel_have_bars_alone(classes: tuple[str, ...]) -> None:
    sheet = evoked_sheet(said(Taxonomy("own", classes), [1.0] * len(classes)))
    told = words(sheet)
    assert set(classes) <= set(told)
    assert "excitement" not in told
    assert max(y for shape in sheet.shapes if isinstance(shape, Polygon) for _, y in shape.points) < sheet.height


def test_pixels_and_svg_show_the_same_bars() -> None:
    sheet = evoked_sheet(said())
    pixels = as_pixels(sheet, 1)
    root = ElementTree.fromstring(as_svg(sheet, "a picture"))
    fills = [e.get("fill") for e in root.iter("{http://www.w3.org/2000/svg}polygon")]
    for name in EMOTION6.classes:
        assert "#{:02x}{:02x}{:02x}".format(*colour_of(name)) in fills
        assert (pixels == np.array(colour_of(name), np.uint8)).all(axis=-1).sum() > 30, name


def test_the_colours_of_the_wheel_are_told_apart_with_usual_sight_and_without_red_or_green() -> None:
    views = [
        np.eye(3),
        np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
        np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
    ]
    for taxonomy in (EMOTION6, MIKELS8):
        linear = (np.array([COLOURS[c] for c in taxonomy.classes]) / 255) ** 2.2
        for view in views:
            seen = np.clip(linear @ view.T, 0, 1) ** (1 / 2.2) * 255
            gaps = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 999 * np.eye(len(taxonomy))
            assert gaps.min() > 25, (taxonomy.classes[int(gaps.argmin()) // len(taxonomy)], gaps.min())


# --- below the annotated picture -------------------------------------------------------------------------------------


def test_the_picture_keeps_its_place_above_what_it_evokes() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    image[470:, :10] = (200, 10, 10)
    seen = PhotoResult("a", "no_face", (640, 480), detector="fixed")
    alone = PhotoResult("a", "ok", (640, 480), evoked=said())
    both = PhotoResult("a", "no_face", (640, 480), detector="fixed", evoked=said())
    heights = [annotate(image, result).shape[0] for result in (seen, alone, both)]
    assert heights[2] - heights[0] == heights[1] - 480  # no strip about faces where nobody looked for them
    drawn = annotate(image, alone)
    assert drawn.shape[1] == 640
    assert (drawn[470:480, :10] == (200, 10, 10)).all()
    assert (drawn[480:] == COLOURS["happiness"]).all(axis=-1).any()


@pytest.mark.parametrize("size", [(16, 16), (48, 48), (20, 1500), (1500, 40), (2000, 1500), (333, 250)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    drawn = annotate(np.full((size[1], size[0], 3), 128, np.uint8), PhotoResult("a", "ok", size, evoked=said()))
    assert drawn.shape[1] % size[0] == 0
    assert drawn.shape[0] > size[1]


def test_real_photos(shared_data: Path) -> None:
    from emolens.pictures.images import open_image

    for name in ("fer__no-faces.jpg", "human__solvay1927.jpg"):
        image = open_image(shared_data / "photos" / name)
        height, width = image.shape[:2]
        drawn = annotate(image, PhotoResult(name, "ok", (width, height), evoked=said()))
        if drawn.shape[1] == width:
            np.testing.assert_array_equal(drawn[:height], image)
