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
from trialmaker.errors import UserError, one_line
from trialmaker.serving.authorization import Keys, authorization_header

ANSWER_TIMEOUT_SECONDS = 30
REASON_CHARACTERS = 300  # of an error answer that is no JSON


def send_request(url: str, body: bytes, content_type: str, keys: Keys) -> Any:
    """Send a request as the platform's clients do; return the answer's JSON.

    Raises:
        UserError: nobody answers, or the answer is an error.
    """
    headers = {"host": urlsplit(url).netloc, "content-type": content_type, "date": formatdate(usegmt=True)}
    if keys.access:
        headers["authorization"] = authorization_header(keys, headers)
    try:
        with _opener(url).open(urllib.request.Request(url, body, headers), timeout=ANSWER_TIMEOUT_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode(errors="replace")
        raise UserError(f"{url}: answered {error.code} {error.reason}: {_reason(text)}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UserError(f"{url}: does not answer ({error}); python predict.py starts the service") from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return an opener of URLs, without a proxy where the service is on this machine."""
    is_local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))


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
        return f"{best['label']} ({100 * best['probability']:.1f} %)"
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"expected predictions with label and probability, got {json.dumps(answer)[:200]}") from error


def caller_keys(access: str | None, secret: str | None) -> Keys:
    """Return the caller's keys: those given, else MODELMAKER_AK and MODELMAKER_SK.

    Raises:
        UserError: there is a secret key without an access key.
    """
    keys = Keys(access or os.environ.get("MODELMAKER_AK", ""), secret or os.environ.get("MODELMAKER_SK", ""))
    if keys.secret and not keys.access:
        raise UserError("--sk: is given without --ak; name both, or --ak alone")
    return keys


def _reason(text: str) -> str:
    """Return the error message in an error answer, or the start of its text."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, LookupError, TypeError):
        return one_line(text, REASON_CHARACTERS)
