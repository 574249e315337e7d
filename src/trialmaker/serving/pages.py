"""The service's pages: one HTML text each, with its style, scripts and texts inside, so that a page is one request."""

import base64
import functools
import hashlib
import importlib.resources
import json
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse

INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
INCLUSION = re.compile(r"\{\{(\S+)\}\}")


def handler(name: str) -> Callable[[Request], Awaitable[HTMLResponse]]:
    """Return the handler that answers with a page.

    Args:
        name: as for ``html``.
    """

    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(html(name), headers={"Content-Security-Policy": _policy(name)})

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


@functools.cache
def _policy(name: str) -> str:
    """Return what a page may load and run: its own scripts and styles, its pictures, and answers of this service."""
    sources: dict[str, list[str]] = {"script": [], "style": []}
    for kind, content in INLINE.findall(html(name)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        sources[kind].append(f"'sha256-{digest}'")
    inline = [f"{kind}-src {' '.join(digests)}" for kind, digests in sources.items()]
    others = ["img-src data: blob:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(["default-src 'none'", *inline, *others])


def _file(name: str) -> str:
    return importlib.resources.files("trialmaker.serving").joinpath("web", name).read_text(encoding="utf-8")
