"""The timeline of a video as one HTML page that needs nothing else: no server, no network, no library.

The page asks nobody for anything (its content policy forbids it); only a film beside it, if there is one, is played.
"""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import numpy as np

from emolens.watching.lanes import GAP_S, HOLD_S, SMOOTHING_S
from emolens.watching.summary import NOTICE, Summary
from emolens.watching.timeline import Strip, colours_of, headline, left_out, legend, stack_order, strips, title

MOST = 60
"""So many people have a lane: those seen longest."""
POINTS = 1500
"""So many points of a lane are kept: more than a screen has columns."""


def timeline_page(summary: Summary, film: str | None = None) -> str:
    """The page for a finished summary; `film` is the name of a video beside it whose times are those of the summary."""
    return page_showing(_script_safe(timeline_content(summary, film)))


def page_showing(content: str) -> str:
    """The page around a JavaScript expression for what `timeline_content` gives."""
    template = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return template.replace("/*CONTENT*/null", content)


def timeline_content(summary: Summary, film: str | None = None) -> dict[str, Any]:
    """All that the page shows, JSON-ready, with the pictures of the moments inside it."""
    found = strips(summary, MOST)
    return {
        "source": title(summary.source),
        "headline": headline(summary),
        "start": summary.first_s,
        "end": summary.last_s + summary.step,
        "step": summary.step,
        "lanes": [_lane(strip) for strip in found],
        "left_out": left_out(summary, found),
        "legend": legend(found),
        "colours": {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in colours_of(found).items()},
        "moments": [
            {"says": m.says, "time": m.time_s, "frame": m.frame, "jpeg": base64.b64encode(m.jpeg).decode()}
            for m in summary.moments.list()
        ],
        "film": film,
        "notice": NOTICE,
        "method": f"Lines are the centred mean over {SMOOTHING_S:g} s. A mark is a moment at which another label takes "
        f"the lead and holds it for {HOLD_S:g} s; none is read across an absence of more than {GAP_S:g} s. Shares are "
        "those of the unsmoothed frames.",
    }


def _lane(strip: Strip) -> dict[str, Any]:
    order = stack_order(strip.course.classes)
    thin = max(1, -(-len(strip.course.times) // POINTS))
    spans = []
    for first, end in strip.course.spans:
        kept = np.unique(np.append(np.arange(first, end, thin), end - 1))
        values = np.rint(strip.course.values[kept][:, order] * 1000).astype(int)
        spans.append({"times": [round(float(t), 3) for t in strip.course.times[kept]], "values": values.tolist()})
    return {
        "title": strip.title,
        "facts": strip.facts,
        "classes": [strip.course.classes[n] for n in order],
        "seconds": strip.lane.duration,
        "shares": [[label, round(share, 4)] for label, share in strip.lane.shares()],
        "spans": spans,
        "changes": [{"time": c.time_s, "from": c.before, "to": c.after} for c in strip.course.changes],
    }


def _script_safe(content: Any) -> str:
    """JSON that may stand inside a script: a name of a file cannot end the script or begin a comment there."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
