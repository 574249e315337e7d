"""The platform's ``Authorization`` header, both generations: checked by the service, made by its client."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from trialmaker.serving.errors import HTTPError

SCHEME = "WS-HMAC-SHA1"
NEEDED = ("host", "content-type", "date")
CLOCK_SECONDS = 15 * 60  # that the caller's may be off
SIGNED = re.compile(rf"{SCHEME}\s+AK=([^,]*),\s*SignedHeaders=([^,]*),\s*Signature=(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Keys:
    """Of the one caller.

    Args:
        access: travels with each request; "" for a service that is open to all.
        secret: signs; "" where only the access key is asked for.
    """

    access: str = ""
    secret: str = ""

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request pass.

        Args:
            headers: by lower-case name.

        Raises:
            Refused: 401.
        """
        if self.access and not self._passes(headers):
            raise HTTPError(401, "Authorization: missing or not valid", WWW_Authenticate=SCHEME)

    def _passes(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "").strip()
        if match := SIGNED.fullmatch(given):
            return bool(self.secret) and self._is_signed(headers, *match.groups())
        return _same(given, self.access)

    def _is_signed(self, headers: Mapping[str, str], access: str, names: str, signature: str) -> bool:
        signed = [name.strip().lower() for name in names.split(";")]
        if not set(NEEDED) <= set(signed) or any(name not in headers for name in signed):
            return False
        expected = sign(self.secret, [headers[name] for name in signed])
        is_right = _same(signature.replace("-", "+").replace("_", "/").rstrip("="), expected.rstrip("="))
        return _same(access, self.access) & is_right & _is_recent(headers["date"])


def sign(secret: str, values: list[str]) -> str:
    """Base64 of HMAC-SHA1 of the headers' values, joined by newlines."""
    text = "\n".join(values)
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def header(keys: Keys, headers: Mapping[str, str]) -> str:
    """The ``Authorization`` of a request: signed where there is a secret.

    Args:
        headers: by lower-case name, at least host, content-type and date.
    """
    if not keys.secret:
        return keys.access
    signature = sign(keys.secret, [headers[name] for name in NEEDED])
    return f"{SCHEME} AK={keys.access},SignedHeaders={';'.join(NEEDED)},Signature={signature}"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _is_recent(date: str) -> bool:
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time()) <= CLOCK_SECONDS
    except (ValueError, TypeError, OverflowError):
        return False
