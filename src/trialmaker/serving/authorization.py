"""The platform's ``Authorization`` header in both generations: checked by the service, made by its client."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from trialmaker.serving.errors import HTTPError

SCHEME = "WS-HMAC-SHA1"
REQUIRED_HEADERS = ("host", "content-type", "date")  # those that a signature must cover
CLOCK_TOLERANCE_SECONDS = 15 * 60  # between the caller's clock and this one
MODES = ("ak", "signature", "either")
REFUSAL = "Authorization: missing or not valid"
SIGNATURE_NEEDED = (
    f"{REFUSAL}; expected a signature {SCHEME} with the secret key over {', '.join(REQUIRED_HEADERS)} at least, "
    f"and a Date in GMT within {CLOCK_TOLERANCE_SECONDS // 60} minutes of the service's clock"
)
CHALLENGES = {"ak": "AK", "signature": SCHEME, "either": f"{SCHEME}, AK"}  # of an answer's WWW-Authenticate


@dataclass(frozen=True)
class Keys:
    """The keys of the service's one caller.

    Args:
        access: travels with each request; "" for a service that is open to all.
        secret: signs requests; "" where the access key alone is checked.
        mode: what a request must bring, of ``MODES``: the access key alone, a signature, or either of them. "" for a
            signature where there is a secret key: who sees one signed request knows the access key.
    """

    access: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    mode: str = ""

    def __post_init__(self) -> None:
        if not self.mode:
            object.__setattr__(self, "mode", "signature" if self.secret else "ak")

    def check(self, headers: Mapping[str, str]) -> None:
        """Check that a request names the access key, or is signed with the secret key, as the mode has it.

        Args:
            headers: the request's, by lower-case name; those that are there several times, joined by commas.

        Raises:
            HTTPError: 401, it does not.
        """
        if self.access and not self._authorizes(headers):
            message = SIGNATURE_NEEDED if self.mode == "signature" else REFUSAL
            raise HTTPError(401, message, WWW_Authenticate=CHALLENGES[self.mode])

    def _authorizes(self, headers: Mapping[str, str]) -> bool:
        authorization = headers.get("authorization", "").strip()
        if self.mode != "ak" and self._verify_signature(headers, _signature_fields(authorization)):
            return True
        return self.mode != "signature" and _is_equal(authorization, self.access)

    def _verify_signature(self, headers: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        if not self.secret or fields.keys() != {"ak", "signedheaders", "signature"}:
            return False
        names = [name.strip().lower() for name in fields["signedheaders"].split(";")]
        if not set(REQUIRED_HEADERS) <= set(names) or any(name not in headers for name in names):
            return False
        expected = sign(self.secret, [headers[name] for name in names])
        signature = fields["signature"].replace("-", "+").replace("_", "/")
        is_right = _is_equal(signature.rstrip("="), expected.rstrip("="))
        return _is_equal(fields["ak"], self.access) & is_right & _is_recent(headers["date"])


def malformed_keys(access: str, secret: str) -> list[str]:
    """Return a line for each key that no header can hold, or no one means, without showing it."""
    law = "must be printable ASCII without blanks around it, such as the end of a line in a file"
    return [
        f"MODELMAKER_{name}: {law}"
        for name, key in (("AK", access), ("SK", secret))
        if key != key.strip() or not key.isprintable() or not key.isascii()
    ]


def sign(secret: str, values: list[str]) -> str:
    """Return the Base64 text of the HMAC-SHA1 of headers' values, joined by newlines.

    Args:
        secret: the secret key.
        values: each character stands for a byte of the header, as HTTP libraries read and write them.
    """
    text = "\n".join(values).encode("latin-1", "replace")
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()


def authorization_header(keys: Keys, headers: Mapping[str, str]) -> str:
    """Return the value of a request's ``Authorization`` header: a signature, unless the access key alone is wanted.

    Args:
        keys: the caller's.
        headers: the request's, by lower-case name; at least host, content-type and date.
    """
    if keys.mode == "ak" or not keys.secret:
        return keys.access
    signature = sign(keys.secret, [headers[name] for name in REQUIRED_HEADERS])
    return f"{SCHEME} AK={keys.access},SignedHeaders={';'.join(REQUIRED_HEADERS)},Signature={signature}"


def _signature_fields(authorization: str) -> dict[str, str]:
    """Return the fields of a signature by lower-case name; none where it is no signature, or names one twice."""
    scheme, _, rest = authorization.partition(" ")
    pairs = [part.strip().partition("=") for part in rest.split(",")]
    fields = {name.rstrip().lower(): value.lstrip() for name, _, value in pairs}
    return fields if scheme.upper() == SCHEME and len(fields) == len(pairs) else {}


def _is_equal(text: str, expected: str) -> bool:
    """Return whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(text.encode(), expected.encode())


def _is_recent(date: str) -> bool:
    """Return whether a date is near this clock's; one that names no zone is in GMT, as HTTP has it."""
    try:
        moment = parsedate_to_datetime(date)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return abs(moment.timestamp() - time.time()) <= CLOCK_TOLERANCE_SECONDS
    except (ValueError, TypeError, OverflowError):
        return False
