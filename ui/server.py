"""Put the page and the API on one port, and keep them running until told to stop. `lookalike serve` calls `serve`."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from catalog import stopping
from catalog.decode_worker import DecodeWorkers
from catalog.errors import UsageError
from catalog.image import decode_upload
from search.service import DecodePhoto, SearchService
from ui import admin, api, docs_page, health, middleware
from ui.config import ANY_ADDRESS, ServeConfig
from ui.error_handlers import add_error_handlers
from ui.gate import Gate
from ui.log import RequestLog, written
from ui.login import Credentials, Login
from ui.media import Thumbnails
from ui.memory import collect_often, give_back, share_arenas
from ui.metrics import CountRequests, Metrics
from ui.own_routes import OwnRoutes
from ui.uploads import MAX_PHOTO_BYTES, Uploads
from ui.watch import VersionWatch

SWEEP_SECONDS = 60.0
"""How often uploads are looked through for old ones, and free memory is given back, in seconds."""
STOP_SECONDS = 2
"""How long requests in progress may take to end when the server is told to stop, in seconds."""

log = logging.getLogger(__name__)


def serve(config: ServeConfig) -> None:
    """Answer on the configured address until SIGINT or SIGTERM.

    Raises:
        UsageError: the address cannot be taken, or the file of the login is not as it must be.
        StoreError, VersionError: there is nothing to answer from.
        DeviceError: the device is not there.
    """
    share_arenas()
    with (
        written(config.log),
        closing(_listen(config)) as listener,
        DecodeWorkers() as workers,
        Uploads() as uploads,
    ):
        if config.host in ANY_ADDRESS and config.login is None:
            log.warning("everyone who can reach this machine can search: --login FILE lets in only who is named there")
        service = SearchService.open(config.store, device=config.device, decode=workers.decode)
        app = create_app(service, uploads=uploads, config=config, decode=workers.decode)
        collect_often()
        version = service.version
        address = config.address(listener.getsockname()[1])
        print(f"Open {address} ({version.products} products, version {version.id}; Ctrl+C ends it)", flush=True)
        Server(app).run(sockets=[listener])


class Server(uvicorn.Server):
    """Runs an application of `create_app`: one that does not wait for open pages when it is to end."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=STOP_SECONDS
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what runs; each open page holds a stream, which would otherwise be cut off after STOP_SECONDS."""
        for route in self._app.routes:
            stop_event = getattr(getattr(route, "app", None), "stop_event", None)
            if isinstance(stop_event, asyncio.Event):  # the mounted Gradio's
                stop_event.set()
        await super().shutdown(sockets)


def create_app(
    service: SearchService,
    *,
    uploads: Uploads,
    config: ServeConfig | None = None,
    decode: DecodePhoto = decode_upload,
) -> FastAPI:
    """The whole web application: page, API, pictures and health, behind the middleware.

    Args:
        service: answers.
        uploads: where the page's photos arrive; the caller closes it.
        config: for the names under which it may be opened, who may come in, and how often to look for a new version.
        decode: the service's, for the owner's page.

    Raises:
        UsageError: the file of the login is not as it must be.
    """
    config = config or ServeConfig()
    login = [Middleware(Login, credentials=Credentials.read(config.login))] if config.login else []
    _set_environment(uploads)
    with stopping.imports():
        import gradio as gr  # only now: it reads the environment when it is imported

        from ui.page import build_page, page_head, page_theme

    cores = os.cpu_count() or 1
    metrics = Metrics()
    searches = Gate(at_once=max(2, cores), waiting=64, waiting_overloaded=0, answered=metrics.search_seconds.observe)
    lookups = Gate(at_once=max(2, cores), waiting=64)
    pictures = Gate(at_once=max(2, cores), waiting=512)
    watch = VersionWatch(service, every=config.poll_seconds)
    metrics.watch(service, searches, lambda: watch.readiness)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        watch.start()
        sweeping = asyncio.create_task(_sweep(uploads))
        yield
        sweeping.cancel()
        await to_thread.run_sync(watch.stop)

    app = FastAPI(
        title="Lookalike",
        description="Which products look like this photo?",
        docs_url=None,  # they load from a content delivery network; see ui/docs_page.py
        redoc_url=None,
        lifespan=running,
        middleware=[
            Middleware(CountRequests, metrics=metrics),
            Middleware(middleware.SecurityHeaders),
            Middleware(RequestLog),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(config.accepted_hosts), www_redirect=False),
            *login,
            Middleware(CORSMiddleware, allow_origins=[]),  # no other site may read; without it Gradio adds its own
            Middleware(middleware.ForeignOrigin, trusted=config.allowed_hosts),
            Middleware(middleware.KnownRoutes, further=[admin.PAGE] if config.admin else []),
            Middleware(middleware.BodyLimit),
            Middleware(middleware.NoRemoteFiles),
            Middleware(middleware.UploadRoom, sweep=uploads.sweep),
        ],
    )
    add_error_handlers(app)
    app.include_router(
        api.routes(service, searches=searches, lookups=lookups, pictures=pictures, thumbnails=Thumbnails(service))
    )
    app.include_router(health.routes(service, readiness=lambda: watch.readiness, metrics=metrics))
    app.include_router(docs_page.routes(app.title))
    if config.admin:
        app.include_router(admin.routes(service, decode=decode, config=config))
    app.router.routes.append(OwnRoutes(app.router.routes))
    page = build_page(service, searches=searches, uploads=uploads, admin=config.admin)
    page.has_launched = True  # Gradio's checks of paths are off without it
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=page_theme(),
        head=page_head(),
        footer_links=[],
        allowed_paths=[],
        max_file_size=MAX_PHOTO_BYTES,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        run_history=False,
    )
    return app


async def _sweep(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await to_thread.run_sync(uploads.sweep)
            await to_thread.run_sync(give_back)
        except OSError:
            log.exception("uploads could not be swept")


def _set_environment(uploads: Uploads) -> None:
    """Gradio takes settings from its environment: none but ours, and no word to anyone."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def _listen(config: ServeConfig) -> socket.socket:
    """The bound socket; taken first, so that a port in use is known before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f'--host must be an address of this machine; got "{config.host}" ({error.strerror})') from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            other = config.port + 1 if config.port < 65535 else 7860
            raise UsageError(
                f"--port must be free; {config.port} is in use on {config.host}: "
                f"end what uses it, or name another, for example --port {other}"
            ) from None
        if error.errno == errno.EACCES:
            raise UsageError(
                f"--port below 1024 needs more rights than this user has; got {config.port}: for example --port 7860"
            ) from None
        raise UsageError(
            f"--host must be an address of this machine; got {config.host} ({error.strerror}): 127.0.0.1 always works"
        ) from None
    return listener
