"""The routes: pictures in, answers out. What they say is the library's; here it is only carried."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from emolens import __version__
from emolens.analyzer import Analyzer
from emolens.errors import EmolensError, InputError
from emolens.pictures.limits import as_shown
from emolens.pictures.sources import source_name
from emolens.records import PhotoResult
from emolens.server import examples, schema
from emolens.server.bodies import Upload, read_sources
from emolens.server.desk import Desk, watched
from emolens.server.films import film_answer
from emolens.server.guards import Guard
from emolens.server.map_pictures import with_pictures
from emolens.server.metrics import CONTENT_TYPE, Metrics
from emolens.server.pages import add_pages
from emolens.server.problems import Problem, as_response, problem_of
from emolens.server.service import Service
from emolens.tables import nested
from emolens.watching.summary import NOTICE


def create_app(analyzer: Analyzer, service: Service | None = None) -> FastAPI:
    """The service around an analyzer that looks for faces; its worker runs until the app's lifespan ends."""
    service = service or Service()
    metrics = Metrics()
    desk = Desk(analyzer, service, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(desk.close)

    app = FastAPI(
        title="emolens",
        version=__version__,
        summary="What each face in a photo shows, how the group looks, and what the photo evokes.",
        description=f"{NOTICE} Nothing that is sent is kept, and nothing of it is logged.",
        license_info={"name": "MIT"},
        docs_url=None,  # FastAPI's own pages take their scripts from another site
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, service=service, metrics=metrics)
    if service.origins:  # outside the guard: an allowed site must be able to read refusals as well
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization"],
            expose_headers=["Retry-After"],
        )
    _refusals(app)
    # The guard asks for the key; the document only says so.
    key = HTTPBearer(auto_error=False, scheme_name="key", description="The key that this service was started with.")
    locked = APIRouter(dependencies=[Security(key)] if service.api_key else [])
    _pictures(locked, desk)
    _facts(app, locked, desk)
    app.include_router(locked)
    add_pages(app, desk)
    return app


def _pictures(locked: APIRouter, desk: Desk) -> None:
    """What pictures and videos are sent to."""
    with_maps = Query(None, description="Add what in a picture evokes what it evokes: maps as PNG.")
    with_csv = Query(False, alias="csv", description="Add the tidy rows as `emolens analyze --csv` writes them.")
    plain = Query(False, description="Draw nothing: the upright picture itself, at its size, as browsers show it.")

    @locked.post(
        "/v1/analyze",
        summary="What each face shows, how the group looks, what the photo evokes",
        description="One picture that cannot be read is a refusal; among several it is a result with a status.",
        responses={
            200: {"model": schema.Answer, "content": {"application/json": {"example": examples.ANSWER}}},
            **schema.TROUBLES,
        },
        openapi_extra={"requestBody": schema.BODY},
    )
    async def analyze(
        request: Request, with_csv: bool = with_csv, task: Literal["stimuli"] | None = with_maps
    ) -> JSONResponse:
        async with desk.visit(request) as visit:
            sources = await read_sources(request, desk.service, visit)
            answers = await desk.answers(request, sources, visit, maps=task == "stimuli")
            if len(answers) == 1 and isinstance(answers[0], InputError):
                raise answers[0]
            results = [_result(one, source) for one, source in zip(answers, sources, strict=True)]
            told = {"results": [with_pictures(nested(one), one) for one in results], "notice": NOTICE}
            return JSONResponse({**told, "csv": desk.csv(results)} if with_csv else told)

    @locked.post(
        "/v1/annotate",
        summary="One picture with boxes, labels and the group drawn on it, or `plain`",
        response_class=Response,
        responses={
            200: {
                "description": "The picture.",
                "content": {kind: {"schema": schema.FILE} for kind in ("image/jpeg", "image/png", "image/webp")},
            },
            **schema.TROUBLES,
        },
        openapi_extra={"requestBody": schema.BODY},
    )
    async def annotated(request: Request, plain: bool = plain) -> Response:
        async with desk.visit(request) as visit:
            sources = await read_sources(request, desk.service, visit)
            if len(sources) > 1:
                raise Problem(413, f"{len(sources)} pictures came, one is drawn at a time; send them one by one")
            data, kind = await desk.picture(request, sources[0], visit, plain)
            return Response(data, media_type=kind)

    @locked.post(
        "/v1/video",
        summary="Who shows what, when, in a short video",
        responses={
            200: {"model": schema.FilmAnswer, "content": {"application/json": {"example": examples.FILM}}},
            **schema.TROUBLES,
        },
        openapi_extra={"requestBody": schema.FILM_BODY},
    )
    async def video(request: Request, with_csv: bool = with_csv) -> JSONResponse:
        async with desk.visit(request) as visit:
            films = await read_sources(request, desk.service, visit)
            if len(films) > 1 or isinstance(films[0], str):
                raise Problem(422, "one video is watched at a time, sent as it is; send it in the field 'file'")
            if desk.films.locked():
                raise Problem(503, "another video is being watched; come again", 10)
            async with desk.films:
                frames: list[PhotoResult] = []
                told = await watched(
                    request, partial(film_answer, films[0], desk.analyzer, desk.service, frames.append)
                )
                return JSONResponse({**told, "csv": desk.csv(frames)} if with_csv else told)


def _result(answer: PhotoResult | InputError, source: Upload | str) -> PhotoResult:
    if isinstance(answer, PhotoResult):
        return answer
    return PhotoResult(source_name(source), answer.status, message=problem_of(answer).reason)  # type: ignore[arg-type]


def _facts(app: FastAPI, locked: APIRouter, desk: Desk) -> None:
    """What can be asked without a picture."""
    told = {
        "tasks": list(dict.fromkeys([*desk.analyzer.tasks, *(["stimuli"] if desk.worker.maps else [])])),
        "detector": desk.analyzer.detector.name if desk.analyzer.detector else "",
        "models": [
            {**model.card.model_dump(mode="json", exclude={"framing"}), "sha256": model.sha256}
            for model in desk.analyzer.models.values()
        ],
        "limits": desk.service.told(),
        "urls": desk.service.allow_urls,
        "version": __version__,
    }

    @locked.get(
        "/v1/models",
        summary="The models that answer here, their terms, and the limits",
        responses={
            200: {"model": schema.Models, "content": {"application/json": {"example": told}}},
            **schema.LOCKED,
        },
    )
    async def models() -> JSONResponse:
        return JSONResponse(told)

    @app.get(
        "/healthz",
        summary="Whether pictures are answered",
        response_model=schema.Health,
        responses={**schema.DOOR, 503: schema.TROUBLES[503]},
    )
    async def health() -> JSONResponse:
        if not desk.worker.alive:
            raise Problem(503, "the model worker has ended; start the service again", 10)
        return JSONResponse({"status": "ok"})

    @locked.get("/metrics", summary="Numbers for Prometheus", response_class=Response, responses=schema.LOCKED)
    async def metrics() -> Response:
        return Response(desk.metrics.text(), media_type=CONTENT_TYPE)


def _refusals(app: FastAPI) -> None:
    """Every refusal in one form."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return as_response(error)

    @app.exception_handler(EmolensError)
    async def library(_: Request, error: EmolensError) -> Response:
        return as_response(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def parameters(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        came = as_shown(str(first.get("input")))
        return as_response(Problem(422, f"{'.'.join(map(str, first['loc']))}: {came!r} came; {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        response = as_response(Problem(error.status_code, _reason(request, error)))
        response.headers.update(error.headers or {})
        return response


def _reason(request: Request, error: HTTPException) -> str:
    """What to do about an address or a method that there is not; anything else as it was raised."""
    if error.status_code == 404:
        return "there is nothing at this address; /openapi.json tells what there is"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"{as_shown(request.method)} came, this address takes {allowed}; /openapi.json tells what to send"
    return str(error.detail)
