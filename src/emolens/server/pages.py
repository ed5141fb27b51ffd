"""The page and what it is made of. None of it needs the key, since none of it says anything about anybody."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from emolens import __version__
from emolens.drawing.palette import COLOURS
from emolens.server.desk import Desk
from emolens.server.guards import PAGE
from emolens.server.timeline import timeline_response

WEB = resources.files("emolens.server") / "web"
HEADERS = {"Content-Security-Policy": PAGE, "Cache-Control": "no-cache"}


def add_pages(app: FastAPI, desk: Desk) -> None:
    """The routes of the page."""
    facts = {
        "colours": {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in COLOURS.items()},
        "limits": desk.service.told(),
        "urls": desk.service.allow_urls,
        "terms": {
            task: f"{model.card.name} learnt from {model.card.licences.data}"
            for task, model in desk.analyzer.models.items()
            if not model.card.licences.commercial
        },
        "models": [model.card.name for model in desk.analyzer.models.values()],
        "stimuli": desk.worker.maps,
        "detector": desk.analyzer.detector.name if desk.analyzer.detector else "",
        "version": __version__,
    }

    @app.get("/web/facts.json", include_in_schema=False)
    async def told() -> JSONResponse:
        return JSONResponse(facts)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response((WEB / "index.html").read_bytes(), media_type="text/html", headers=HEADERS)

    @app.get("/web/timeline.html", include_in_schema=False)
    async def timeline() -> Response:
        return timeline_response()

    app.mount("/web", _Files(directory=str(WEB)), name="web")


class _Files(StaticFiles):
    """Scripts and styles: asked for again each time, so that a new version is seen at once."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response
