"""Swagger UI and ReDoc in the system's colours, and the parameters that are used most first."""

from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from api.web.openapi import KEY_SCHEMES

FILES = "/static-offline-docs"  # fastapi-offline's
FIRST = ("min_score", "labels", "max_detections", "model")


REDOC = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - ReDoc</title>
<link rel="icon" href="{root}/page/icon.svg">
<link rel="stylesheet" href="{root}/page/redoc.css">
</head>
<body>
<div id="redoc" data-openapi="{root}{openapi}"></div>
<script src="{root}{files}/redoc.standalone.js"></script>
<script src="{root}/page/redoc.js"></script>
</body>
</html>
"""


def install_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs and ReDoc at /redoc from this host alone, and /openapi.json in a reader's order."""
    generate = app.openapi
    app.openapi = lambda: in_order(generate())  # type: ignore[method-assign]  # FastAPI's own way of extending it

    @app.get("/docs", include_in_schema=False)
    async def swagger_ui(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}/page/icon.svg",
            swagger_ui_parameters=app.swagger_ui_parameters,
        )
        follows_the_system = f'<head><script src="{root}/page/dark.js"></script>'
        return HTMLResponse(bytes(page.body).decode().replace("<head>", follows_the_system, 1))

    @app.get("/redoc", include_in_schema=False)
    async def redoc(request: Request) -> HTMLResponse:
        root = escape(request.scope.get("root_path", ""))
        return HTMLResponse(REDOC.format(title=app.title, root=root, openapi=app.openapi_url, files=FILES))


def in_order(document: dict[str, Any]) -> dict[str, Any]:
    """The document with each operation's parameters sorted: those of FIRST, then the others as they are."""
    document["components"]["securitySchemes"] = KEY_SCHEMES
    for operations in document["paths"].values():
        for operation in operations.values():
            operation.get("parameters", []).sort(key=_rank)
    return document


def _rank(parameter: dict[str, Any]) -> int:
    return FIRST.index(parameter["name"]) if parameter["name"] in FIRST else len(FIRST)
