"""The platform's ``Authorization`` header in both generations: checked by the service, made by its client."""

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
REQUIRED_HEADERS = ("host", "content-type", "date")  # those that a signature must cover
CLOCK_TOLERANCE_SECONDS = 15 * 60  # between the caller's clock and this one
SIGNATURE_PATTERN = re.compile(rf"{SCHEME}\s+AK=([^,]*),\s*SignedHeaders=([^,]*),\s*Signature=(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Keys:
    """The keys of the service's one caller.

    Args:
        access: travels with each request; "" for a service that is open to all.
        secret: signs requests; "" where the access key alone is checked.
    """

    access: str = ""
    secret: str = ""

    def check(self, headers: Mapping[str, str]) -> None:
        """Check that a request names the access key, or is signed with the secret key.

        Args:
            headers: the request's, by lower-case name.

        Raises:
            HTTPError: 401, it does neither.
        """
        if self.access and not self._authorizes(headers):
            raise HTTPError(401, "Authorization: missing or not valid", WWW_Authenticate=SCHEME)

    def _authorizes(self, headers: Mapping[str, str]) -> bool:
        authorization = headers.get("authorization", "").strip()
        if match := SIGNATURE_PATTERN.fullmatch(authorization):
            return bool(self.secret) and self._verify_signature(headers, *match.groups())
        return _is_equal(authorization, self.access)

    def _verify_signature(self, headers: Mapping[str, str], access: str, names: str, signature: str) -> bool:
        signed_names = [name.strip().lower() for name in names.split(";")]
        if not set(REQUIRED_HEADERS) <= set(signed_names) or any(name not in headers for name in signed_names):
            return False
        expected = sign(self.secret, [headers[name] for name in signed_names])
        is_right = _is_equal(signature.replace("-", "+").replace("_", "/").rstrip("="), expected.rstrip("="))
        return _is_equal(access, self.access) & is_right & _is_recent(headers["date"])


def sign(secret: str, values: list[str]) -> str:
    """Return the Base64 text of the HMAC-SHA1 of headers' values, joined by newlines."""
    text = "\n".join(values)
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def authorization_header(keys: Keys, headers: Mapping[str, str]) -> str:
    """Return the value of a request's ``Authorization`` header: a signature where there is a secret key.

    Args:
        keys: the caller's.
        headers: the request's, by lower-case name; at least host, content-type and date.
    """
    if not keys.secret:
        return keys.access
    signature = sign(keys.secret, [headers[name] for name in REQUIRED_HEADERS])
    return f"{SCHEME} AK={keys.access},SignedHeaders={';'.join(REQUIRED_HEADERS)},Signature={signature}"


def _is_equal(text: str, expected: str) -> bool:
    """Return whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(text.encode(), expected.encode())


def _is_recent(date: str) -> bool:
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time()) <= CLOCK_TOLERANCE_SECONDS
    except (ValueError, TypeError, OverflowError):
        return False
