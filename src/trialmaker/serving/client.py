"""The platform's client of a deployed model."""

import http.client
import json
import mimetypes
import os
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from trialmaker.data.files import read_file
from trialmaker.errors import UserError, one_line, printable
from trialmaker.platform.paths import serve_command
from trialmaker.platform.redaction import without_password
from trialmaker.serving.authorization import MODES, Keys, authorization_header, malformed_keys

ANSWER_TIMEOUT_SECONDS = 30
MAX_ANSWER_BYTES = 10_000_000  # more is no whole JSON any more
REASON_CHARACTERS = 300  # of an error answer that is no JSON


def send_request(url: str, body: bytes, content_type: str, keys: Keys) -> Any:
    """Send a request as the platform's clients do; return the answer's JSON.

    Raises:
        UserError: nobody answers, the answer is an error, or the connection ended within the request.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    shown = without_password(url)
    headers = {"host": host, "content-type": content_type, "date": formatdate(usegmt=True)}
    if keys.access:
        headers["authorization"] = authorization_header(keys, headers)
    try:
        with _opener(url).open(urllib.request.Request(url, body, headers), timeout=ANSWER_TIMEOUT_SECONDS) as answer:
            return json.loads(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode(errors="replace")
        place = f", which names {error.headers['location']}" if "location" in error.headers else ""
        raise UserError(f"{shown}: answered {error.code} {error.reason}{place}: {_reason(text)}") from None
    except ConnectionError as error:  # of the answer's; urllib wraps those of a connection that is not made
        law = "the service has ended the connection without an answer"
        raise UserError(f"{shown}: {law} ({error}); its log may say why; check the address and the keys") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise UserError(f"{shown}: does not answer ({reason}); {serve_command()} starts the service") from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return an opener of URLs, without a proxy where the service is on this machine."""
    is_local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    proxies = [urllib.request.ProxyHandler({})] if is_local else []
    return urllib.request.build_opener(_NoRedirects, _PlainHandler, _SecureHandler, *proxies)


class _HeedingAnswers:
    """Of a connection: an answer that comes before the request has been sent is read, since it says why."""

    def send(self, data: Any) -> None:
        """Send, up to the end of the connection."""
        with suppress(BrokenPipeError, ConnectionResetError):
            super().send(data)  # type: ignore[misc]


class _Connection(_HeedingAnswers, http.client.HTTPConnection):
    """Over TCP."""


class _SecureConnection(_HeedingAnswers, http.client.HTTPSConnection):
    """Over TLS."""


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_Connection, request)


class _SecureHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_SecureConnection, request)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: urllib would send the keys on to whatever host it names."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def json_body(image: np.ndarray) -> bytes:
    """Return the JSON body for an image, uint8 [H, W, C]: its numbers as 0 to 1, row by row."""
    return json.dumps({"image": (image.astype(np.float32) / 255).ravel().tolist()}).encode()


def file_body(path: Path) -> tuple[bytes, str]:
    """Return the ``multipart/form-data`` body for a picture's file, and its content type.

    Raises:
        UserError: the file cannot be read.
    """
    raw = read_file(path)
    boundary = uuid.uuid4().hex
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="image{path.suffix}"\r\n'
    body = f"{head}Content-Type: {media_type}\r\n\r\n".encode() + raw + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def likeliest_class(answer: Any) -> str:
    """Return the most probable class of an answer, with its probability in percent.

    Raises:
        UserError: the answer is not that of a classifier on the platform.
    """
    try:
        best = max(answer["predictions"], key=lambda prediction: prediction["probability"])
        return printable(f"{best['label']} ({100 * best['probability']:.1f} %)")
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"expected predictions with label and probability, got {json.dumps(answer)[:200]}") from error


def caller_keys(access: str | None, secret: str | None) -> Keys:
    """Return the caller's keys: those given, else MODELMAKER_AK and MODELMAKER_SK; it signs where there is a secret.

    Raises:
        UserError: there is a secret key without an access key, or MODELMAKER_AUTH needs one that is not there.
    """
    access, secret = access or os.environ.get("MODELMAKER_AK", ""), secret or os.environ.get("MODELMAKER_SK", "")
    mode = os.environ.get("MODELMAKER_AUTH", "")
    if secret and not access:
        raise UserError("--sk: is given without --ak; name both, or --ak alone")
    if mode not in ("", *MODES):
        raise UserError(f"MODELMAKER_AUTH: must be one of {', '.join(MODES)}, got {mode}")
    if mode == "signature" and not secret:
        raise UserError("MODELMAKER_AUTH=signature: needs a secret key to sign with; set MODELMAKER_SK, or give --sk")
    if mistakes := malformed_keys(access, secret):
        raise UserError(*mistakes)
    return Keys(access, secret, mode)


def _reason(text: str) -> str:
    """Return the error message in an error answer, or the start of its text."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, LookupError, TypeError):
        return one_line(text, REASON_CHARACTERS)
