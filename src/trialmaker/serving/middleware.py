"""What surrounds every request: its head and key, the form of its errors, its metrics, the end of its connection."""

import logging
import re
import time
from collections.abc import Mapping, Sequence

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from trialmaker.serving import request_head
from trialmaker.serving.application import Application
from trialmaker.serving.errors import HTTPError

log = logging.getLogger(__name__)
MODEL_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?")
BODY_HEADERS = (b"content-length", b"transfer-encoding")
KEYLESS_PATHS = {"/", "/docs", "/openapi.json", "/ping", "/health/live", "/health/ready"}  # the pages ask for the key
SAFETY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin")]


class Middleware:
    """The ASGI application.

    Attributes:
        is_draining: whether answers now end their connections.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.routes = application.routes()
        # A redirect would repeat what the caller sent, and name the host and scheme by what a proxy may have changed.
        self.router = Router(self.routes, redirect_slashes=False)
        self.plain_routes = _plain_routes(self.routes)
        self.is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it."""
        if scope["type"] != "http":
            return
        start = time.perf_counter()
        status = 500
        has_begun = False
        is_unread: bool | None = None  # until something is read

        async def receive_part() -> Message:
            nonlocal is_unread
            message = await receive()
            is_unread = bool(message.get("more_body"))
            return message

        async def send_part(message: Message) -> None:
            nonlocal status, has_begun, is_unread
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
                message["headers"] = [*message["headers"], *SAFETY_HEADERS]
                if is_unread is None:
                    is_unread = any(name in BODY_HEADERS and value != b"0" for name, value in scope["headers"])
                if self.is_draining or is_unread:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._answer(scope, receive_part, send_part)
        except Exception:  # a bug
            log.exception("%s %s", scope["method"], scope["path"])
            if not has_begun:  # else uvicorn ends the connection
                message = "internal error; the service's log has the details"
                await _error_response(scope, 500, message, {})(scope, receive_part, send_part)
        finally:
            route = scope.get("route")
            path = route.path if route else "other"
            self.application.metrics.record(path, status, time.perf_counter() - start)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head and the key, and run the route; answer with an error of the path's form where either fails."""
        settings = self.application.settings
        try:
            request_head.check(scope, local_only=settings.local_only)
            if settings.keys.access and scope["path"] not in KEYLESS_PATHS:
                settings.keys.check(request_head.combined(scope["headers"]))
            if route := self.plain_routes.get((scope["method"], scope["path"])):
                scope["route"] = route
                response = await route.endpoint(Request(scope, receive, send))
                await response(scope, receive, send)
                return
            scope["app"] = self  # else the router would answer unknown addresses itself, in a form of its own
            await self.router(scope, receive, send)
        except HTTPError as error:
            await _error_response(scope, error.status, error.message, error.headers)(scope, receive, send)
        except HTTPException as error:  # the router's
            status, message = self._explain_unknown_address(scope, error.status_code)
            await _error_response(scope, status, message, error.headers or {})(scope, receive, send)

    def _explain_unknown_address(self, scope: Scope, status: int) -> tuple[int, str]:
        """Return the status and the message for an address or a method that does not exist."""
        address = f"{scope['method']} {scope['path']}"
        if match := MODEL_PATH.match(scope["path"]):  # in TensorFlow Serving's words
            if match[1] == self.application.settings.name:
                return 400, f"Malformed request: {address}"
            servable = f"Specific({match[1]}, {match[2]})" if match[2] else f"Latest({match[1]})"
            return 404, f"Servable not found for request: {servable}"
        addresses = ", ".join(f"{_method(route.methods)} {route.path}" for route in self.routes)
        return status, f"there is no {address}; there are: {addresses}"


def _plain_routes(routes: Sequence[Route]) -> dict[tuple[str, str], Route]:
    """Return the routes whose addresses have no variable part, by method and path: the router would try each."""
    return {(_method(route.methods), route.path): route for route in routes if not route.param_convertors}


def _method(methods: set[str] | None) -> str:
    return "POST" if "POST" in (methods or ()) else "GET"


def _error_response(scope: Scope, status: int, message: str, headers: Mapping[str, str]) -> Response:
    """Return an error in TensorFlow Serving's form for its addresses, in the platform's for all others."""
    content = {"error": message} if scope["path"].startswith("/v1/") else {"success": False, "error": message}
    return Response(orjson.dumps(content), status, dict(headers), "application/json")
