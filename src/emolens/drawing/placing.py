"""Where a panel goes beside a face so that it hides no other face: rectangles (x1, y1, x2, y2) in pixels."""

from __future__ import annotations

from collections.abc import Sequence

Rect = tuple[float, float, float, float]
Size = tuple[float, float]


def shared_area(a: Rect, b: Rect) -> float:
    """The area that two rectangles share, in square pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def beside(box: Rect, size: Size, bounds: Size, gap: float) -> list[Rect]:
    """Places for a panel of `size` around `box`, best first, each pushed back inside (0, 0, *bounds)."""
    (x1, y1, x2, y2), (width, height) = box, size
    corners = [
        (x2 + gap, y1),
        (x1 - gap - width, y1),
        (x1, y1 - gap - height),
        (x1, y2 + gap),
        (x2 + gap, y2 - height),
        (x1 - gap - width, y2 - height),
        (x2 - width, y1 - gap - height),
        (x2 - width, y2 + gap),
        ((x1 + x2 - width) / 2, y1 - gap - height),
        ((x1 + x2 - width) / 2, y2 + gap),
    ]
    return [_inside((x, y, x + width, y + height), bounds) for x, y in corners]


def above(box: Rect, size: Size, bounds: Size, gap: float) -> list[Rect]:
    """Places for a tag of `size` on the upper or lower edge of `box`, best first."""
    (x1, y1, x2, y2), (width, height) = box, size
    middle = (x1 + x2 - width) / 2
    corners = [(x, y) for y in (y1 - gap - height, y2 + gap) for x in (x1, middle, x2 - width)]
    return [_inside((x, y, x + width, y + height), bounds) for x, y in corners]


def place_all(boxes: Sequence[Rect], choices: Sequence[Sequence[Rect]]) -> list[Rect] | None:
    """One of its `choices` for each box such that no panel hides another box or panel; None where that cannot be.

    Large boxes choose first. A panel may hide up to a tenth of its own box where no free place is left.
    """
    placed: dict[int, Rect] = {}
    for number in sorted(range(len(boxes)), key=lambda n: -_area(boxes[n])):
        own = boxes[number]
        others = [box for n, box in enumerate(boxes) if n != number] + list(placed.values())
        free = [choice for choice in choices[number] if not any(shared_area(choice, other) for other in others)]
        best = min(free, key=lambda choice: shared_area(choice, own), default=None)
        if best is None or shared_area(best, own) > 0.1 * _area(own):
            return None
        placed[number] = best
    return [placed[n] for n in range(len(boxes))]


def _area(box: Rect) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _inside(rect: Rect, bounds: Size) -> Rect:
    x = max(0.0, min(rect[0], bounds[0] - (rect[2] - rect[0])))
    y = max(0.0, min(rect[1], bounds[1] - (rect[3] - rect[1])))
    return (x, y, x + rect[2] - rect[0], y + rect[3] - rect[1])
