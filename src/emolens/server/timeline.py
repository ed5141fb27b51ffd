"""The page of a timeline, `emolens.watching.page`, as a frame of our own page, from which it takes what it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache

from fastapi import Response

from emolens.watching.page import page_showing

CONTENT = "parent.timeline"
"""Where the page around the frame lays down what `emolens.watching.page.timeline_content` gave."""


def timeline_response() -> Response:
    """The frame, with a content policy that allows its own script and styles by their hash and nothing else."""
    page = _page()
    policy = (
        f"default-src 'none'; script-src {_hashes(page, 'script')}; style-src {_hashes(page, 'style')}; img-src data:; "
        "media-src blob:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-cache"}
    return Response(page, media_type="text/html", headers=headers)


@cache
def _page() -> str:
    return page_showing(CONTENT)


def _hashes(page: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
    return " ".join(f"'sha256-{digest}'" for digest in digests)
