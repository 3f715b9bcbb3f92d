"""`/docs`: the API to look at and to try out, by Swagger UI, whose files come from this server."""

from __future__ import annotations

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, HTTPException
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
"""Of those that the package brings: it has another viewer too."""
_FOLDER = Path(fastapi_offline.__file__).parent / "static"


def routes(title: str) -> APIRouter:
    """The page and its files; `title` is for the browser's tab."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        script, style, icon = (f"docs/{name}" for name in FILES)
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=icon,
            swagger_ui_parameters={"validatorUrl": None},  # else the document is sent to be checked elsewhere
        )

    @router.get("/docs/{name}")
    async def file(name: str) -> FileResponse:
        if name not in FILES:
            raise HTTPException(404)
        return FileResponse(_FOLDER / name)

    return router
