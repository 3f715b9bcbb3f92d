"""The part of the server for the person who runs it: a page at /admin, and what it shows and does, as JSON.

There only with `--admin`, and only behind the login, which covers every route (see `ui.server`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from catalog.errors import BadImage, StoreBusy, UsageError, VersionError
from catalog.manifest import CatalogItem
from catalog.quarantine import read_quarantine
from catalog.quarantined_picture import quarantined_picture
from catalog.store import Store
from index.config import RollbackConfig
from index.overview import overview
from index.status import rollback
from search.duplicates_table import GroupsPage, read_groups
from search.question import Question
from search.service import DecodePhoto, SearchService
from search.side_by_side import VersionComparer
from training.run_record import PICTURES, RunRecord, read_curves
from training.runs import Run, all_runs, find_run
from ui import admin_answers as answers
from ui.admin_jobs import JobConflict, JobName, Jobs
from ui.answers import Product, product
from ui.config import ServeConfig
from ui.error_handlers import of_body
from ui.gate import Gate
from ui.problems import ProblemResponse, documented
from ui.static_files import scripts, static, style

PAGE = "/admin"
"""Where the page is."""
STYLES = ("page", "admin")
"""static/*.css: the colours and the type of the search page, then this one's own."""
SCRIPTS = (
    "util",
    "lookup",
    "admin",
    "admin.store",
    "admin.jobs",
    "admin.compare",
    "admin.runs",
    "admin.quarantine",
    "admin.duplicates",
)
"""static/*.js in the order in which the page needs them; the first two are the search page's."""
PICTURE_WIDTH = 320
"""Of a file that was left out, in pixels."""
MOST_ROWS = 100
"""Files, or groups of duplicates, in one answer."""

Offset = Annotated[int, Query(ge=0, description="how many to pass over")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="how many at most")]


class StartJob(BaseModel):
    """Which job to start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: JobName


class ChooseVersion(BaseModel):
    """Which version to put into use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(min_length=1, max_length=200)]


class Comparison(BaseModel):
    """What to ask two versions, apart from photos."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    versions: tuple[str, str]
    product: Annotated[str, Field(max_length=4096)] | int | None = None
    """A product by its item_id, or a photo by its image_id."""
    k: Annotated[int, Field(ge=1, le=100)] = 10


def routes(service: SearchService, *, decode: DecodePhoto, config: ServeConfig) -> APIRouter:
    """The page and its routes. A running job is ended when the application ends.

    Args:
        service: what is being served.
        decode: for files that were left out of the catalog, and for photos that are sent: in a process of its own.
        config: names the store and the device.
    """
    store = Store(config.store)
    jobs = Jobs(config.store, device=config.device)
    comparer = VersionComparer(service, config.store, device=config.device, decode=decode)
    comparisons = Gate(at_once=1, waiting=8)
    pictures = Gate(at_once=1, waiting=256)
    page = admin_page()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(jobs.close)

    router = APIRouter(route_class=_AdminRoute, lifespan=running, tags=["admin"], responses=documented(401))

    def find(image_id: int) -> CatalogItem | None:
        try:
            return service.photo(image_id)
        except UsageError:
            return None

    def run_called(name: str) -> Run:
        try:
            return find_run(store, name)
        except UsageError as error:
            raise HTTPException(404, str(error)) from None

    def status() -> answers.Status:
        return answers.status(overview(store), service.version.id)

    @router.get(PAGE, response_class=HTMLResponse, include_in_schema=False)
    async def show_page() -> str:
        return page

    @router.get("/api/admin/status", summary="The catalog's counts, and every version")
    def read_status() -> answers.Status:
        return status()

    @router.post("/api/admin/rollback", responses=documented(409, 422), summary="Put another version into use")
    def roll_back(chosen: ChooseVersion) -> answers.Status:
        rollback(RollbackConfig(store=config.store, to=chosen.version))
        return status()

    @router.get("/api/admin/jobs", summary="The job that runs, or ran last")
    async def read_job() -> answers.Job | None:
        return answers.job(jobs.newest())

    @router.post("/api/admin/jobs", responses=documented(409, 422), status_code=202, summary="Start a job")
    def start_job(wanted: StartJob) -> answers.Job | None:
        return answers.job(jobs.start(wanted.job))

    @router.delete(
        "/api/admin/jobs", responses=documented(409, 422), status_code=202, summary="Tell the running job to end"
    )
    def stop_job() -> answers.Job | None:
        return answers.job(jobs.stop())

    @router.get("/api/admin/quarantine", summary="The files that the last scan left out, and why")
    def read_left_out(offset: Offset = 0, limit: Limit = 24) -> answers.Quarantine:
        left_out = read_quarantine(store.quarantine_file)
        chosen = list(enumerate(left_out))[offset : offset + limit]
        return answers.Quarantine(
            total=len(left_out),
            files=[
                answers.LeftOutFile(row=row, path=file.path, code=file.code, reason=file.reason) for row, file in chosen
            ],
        )

    @router.get(
        "/api/admin/quarantine/{row}/picture",
        response_class=Response,
        responses={**documented(404), 204: {"description": "the file cannot be shown"}},
        summary="A file that was left out, as WebP",
    )
    async def left_out_picture(row: int) -> Response:
        def draw() -> bytes | None:
            left_out = read_quarantine(store.quarantine_file)
            if not 0 <= row < len(left_out):
                raise HTTPException(404, f"the quarantine has {len(left_out)} rows; there is no row {row}")
            try:
                image = quarantined_picture(store, left_out[row], decode, PICTURE_WIDTH)
            except BadImage:
                return None
            buffer = BytesIO()
            image.save(buffer, "WEBP", quality=82, method=2)
            return buffer.getvalue()

        content = await pictures.run(draw)
        return Response(status_code=204) if content is None else Response(content, media_type="image/webp")

    @router.get("/api/admin/runs", summary="The training runs, newest first")
    def read_runs() -> list[answers.Run]:
        return [answers.Run.model_validate(RunRecord.of(run)) for run in reversed(all_runs(store))]

    @router.get("/api/admin/runs/{name}/curves", responses=documented(404), summary="What a run logged, over its steps")
    def read_run_curves(name: str) -> list[answers.Curve]:
        return [answers.Curve.model_validate(curve) for curve in read_curves(run_called(name))]

    @router.get(
        "/api/admin/runs/{name}/pictures/{picture}",
        response_class=FileResponse,
        responses=documented(404),
        summary="A picture that the evaluation of a run left",
    )
    def run_picture(name: str, picture: str) -> FileResponse:
        file = run_called(name).folder / picture
        if picture not in PICTURES or not file.is_file():
            raise HTTPException(404, "there is no such picture of this run")
        return FileResponse(file, media_type="image/png")

    @router.get("/api/admin/duplicates", summary="Photos that show one picture, as the newest look for them found")
    def read_duplicates(offset: Offset = 0, limit: Limit = 10) -> answers.Duplicates:
        looked = jobs.duplicates
        found = read_groups(jobs.duplicates_file, offset=offset, limit=limit) if looked else GroupsPage()
        return answers.Duplicates(
            looked=answers.job(looked), total=found.total, groups=[answers.group(one, find) for one in found.groups]
        )

    @router.post(
        "/api/admin/compare",
        responses=documented(409, 422),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": Comparison.model_json_schema()},
                    "multipart/form-data": {"schema": {"type": "object"}},
                },
            }
        },
        summary="The answers of two versions to one query: a product of the catalog, or a photo",
    )
    async def compare(request: Request) -> answers.Compared:
        asked, photos, name = await _comparison(request)
        question = Question(k=asked.k, product=asked.product)

        def ask() -> answers.Compared:
            found = comparer.ask(asked.versions, photos, question, name=name)
            return answers.compared(found, _shown(service, asked.product), find)

        return await comparisons.run(ask)

    return router


def admin_page() -> str:
    """The page, whole: its style and its code are in it."""
    page = static("admin.html").replace("<!-- style -->", style(STYLES))
    return page.replace("<!-- code -->", scripts(SCRIPTS))


class _AdminRoute(APIRoute):
    """Tells the owner what the general handlers keep back, and lets nothing be kept by a browser."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                response = await handle(request)
            except JobConflict as error:
                response = ProblemResponse(409, "job-conflict", str(error))
            except StoreBusy:
                response = ProblemResponse(
                    409, "store-busy", "another process is writing to the store: wait for it, then try again"
                )
            except VersionError as error:
                response = ProblemResponse(409, "version-refused", str(error))
            response.headers["Cache-Control"] = "no-store"
            return response

        return told


async def _comparison(request: Request) -> tuple[Comparison, list[bytes], str]:
    """What a request asks two versions, as JSON or as a form with a photo: the question, photos, and what to call them.

    Raises:
        RequestValidationError: it is neither.
    """
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return Comparison.model_validate_json(await request.body()), [], ""
        async with request.form() as form:
            sent = [value for value in form.getlist("photo") if isinstance(value, UploadFile)]
            photos = [await file.read() for file in sent]
            fields = {name: form[name] for name in form if name not in ("photo", "versions")}
            asked = Comparison.model_validate({**fields, "versions": form.getlist("versions")})
        return asked, photos, (sent[0].filename or "") if sent else ""
    except ValidationError as error:
        raise of_body(error) from None


def _shown(service: SearchService, reference: str | int | None) -> Product | None:
    """The product that was asked with, by the very photo where one was named; None where it is not served any more."""
    if reference is None:
        return None
    try:
        photos = service.product(reference)
    except UsageError:
        return None
    return product(next((photo for photo in photos if str(photo.image_id) == str(reference)), photos[0]))
