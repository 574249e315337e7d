"""The platform's client of a deployed model."""

import http.client
import json
import mimetypes
import os
import urllib.error
import urllib.request
import uuid
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from trialmaker.data.files import read_file
from trialmaker.errors import UserError
from trialmaker.serving import authorization
from trialmaker.serving.authorization import Keys

ANSWER_SECONDS = 30


def send_request(url: str, body: bytes, content_type: str, caller_keys: Keys) -> Any:
    """Send a request as the platform's clients do; the answer's JSON.

    Raises:
        UserError: nobody answers, or what is answered is a refusal.
    """
    headers = {"host": urlsplit(url).netloc, "content-type": content_type, "date": formatdate(usegmt=True)}
    if caller_keys.access:
        headers["authorization"] = authorization.header(caller_keys, headers)
    try:
        with _opener(url).open(urllib.request.Request(url, body, headers), timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode(errors="replace")
        raise UserError(f"{url}: answered {error.code} {error.reason}: {_reason(text)}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UserError(f"{url}: does not answer ({error}); python predict.py starts the service") from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """No proxy lies between this machine and itself."""
    is_here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_here else []))


def json_body(image: np.ndarray) -> bytes:
    """Of an image, uint8 [H, W, C]: its numbers as 0 to 1, row by row."""
    return json.dumps({"image": (image.astype(np.float32) / 255).ravel().tolist()}).encode()


def file_body(path: Path) -> tuple[bytes, str]:
    """Of a picture: ``multipart/form-data``, and its content type.

    Raises:
        UserError: it cannot be read.
    """
    raw = read_file(path)
    boundary = uuid.uuid4().hex
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="image{path.suffix}"\r\n'
    body = f"{head}Content-Type: {kind}\r\n\r\n".encode() + raw + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def likeliest_class(answer: Any) -> str:
    """The class that the answer holds for the likeliest.

    Raises:
        UserError: it is no answer of a classifier on the platform.
    """
    try:
        first = max(answer["predictions"], key=lambda one: one["probability"])
        return f"{first['label']} ({100 * first['probability']:.1f} %)"
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"expected predictions with label and probability, got {json.dumps(answer)[:200]}") from error


def caller_keys(access: str | None, secret: str | None) -> Keys:
    """The caller's: those given, else MODELMAKER_AK and MODELMAKER_SK.

    Raises:
        UserError: a secret key without an access key.
    """
    found = Keys(access or os.environ.get("MODELMAKER_AK", ""), secret or os.environ.get("MODELMAKER_SK", ""))
    if found.secret and not found.access:
        raise UserError("--sk: is given without --ak; name both, or --ak alone")
    return found


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, LookupError, TypeError):
        return " ".join(text.split())[:300]
