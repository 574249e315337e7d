"""What surrounds every request: its key, the form of its refusal, its count, and the end of its connection."""

import logging
import re
import time
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from trialmaker.serving.application import Application
from trialmaker.serving.errors import HTTPError

log = logging.getLogger(__name__)
OTHER_MODEL = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?")
BODIES = (b"content-length", b"transfer-encoding")
OPEN = {"/", "/health/live", "/health/ready"}  # without a key: the page itself knows nothing, and asks for one


class Middleware:
    """The ASGI application.

    Attributes:
        is_draining: answers now end their connections.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.routes = application.routes()
        self.router = Router(self.routes)
        self.is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        status = 500

        is_unread = any(name in BODIES and value != b"0" for name, value in scope["headers"])

        async def read() -> Message:
            nonlocal is_unread
            message = await receive()
            is_unread = bool(message.get("more_body"))
            return message

        async def passed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.is_draining or is_unread:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._answer(scope, read, passed)
        finally:
            route = scope.get("route")
            path = route.path if route else "other"
            self.application.metrics.requests.labels(path, status).inc()
            self.application.metrics.seconds.labels(path).observe(time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"] not in OPEN:
                self.application.settings.keys.check(Request(scope).headers)
            scope["app"] = self  # so that the router raises what it does not find
            await self.router(scope, receive, send)
        except HTTPError as refused:
            await _refusal(scope, refused.status, refused.message, refused.headers)(scope, receive, send)
        except HTTPException as error:  # the router's
            status, message = self._no_such(scope, error.status_code)
            await _refusal(scope, status, message, error.headers or {})(scope, receive, send)
        except Exception:  # a bug
            log.exception("%s %s", scope["method"], scope["path"])
            await _refusal(scope, 500, "internal error; the service's log has the details", {})(scope, receive, send)

    def _no_such(self, scope: Scope, status: int) -> tuple[int, str]:
        asked = f"{scope['method']} {scope['path']}"
        if match := OTHER_MODEL.match(scope["path"]):  # as TensorFlow Serving says it
            is_other = match[1] != self.application.settings.name
            which = f"Specific({match[1]}, {match[2]})" if match[2] else f"Latest({match[1]})"
            text = f"Servable not found for request: {which}"
            return (404, text) if is_other else (400, f"Malformed request: {asked}")
        addresses = ", ".join(f"{_method(route.methods)} {route.path}" for route in self.routes)
        return status, f"there is no {asked}; there are: {addresses}"


def _method(methods: set[str] | None) -> str:
    return "POST" if "POST" in (methods or ()) else "GET"


def _refusal(scope: Scope, status: int, message: str, headers: Mapping[str, str]) -> Response:
    """In TensorFlow Serving's form for its addresses, in the platform's for all others."""
    found = {"error": message} if scope["path"].startswith("/v1/") else {"success": False, "error": message}
    return Response(orjson.dumps(found), status, dict(headers), "application/json")
