"""The service's pages: one HTML text each, with its style, scripts and texts inside, so that a page is one request."""

import functools
import importlib.resources
import json
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse

INCLUSION = re.compile(r"\{\{(\S+)\}\}")


def handler(name: str) -> Callable[[Request], Awaitable[HTMLResponse]]:
    """Return the handler that answers with a page.

    Args:
        name: as for ``html``.
    """

    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(html(name))

    return answer


@functools.cache
def html(name: str) -> str:
    """Return a page of the folder ``web``, with the files that it names as ``{{file}}`` in their places.

    Args:
        name: the file's, without ``.html``.
    """
    return INCLUSION.sub(lambda match: _file(match[1]), _file(f"{name}.html"))


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Return the texts of the pages, by key and language (``en``, ``zh``)."""
    return dict(json.loads(_file("texts.json")))


def _file(name: str) -> str:
    return importlib.resources.files("trialmaker.serving").joinpath("web", name).read_text(encoding="utf-8")
