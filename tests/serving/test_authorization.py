"""The two generations of the ``Authorization`` header."""

import base64
import hashlib
import hmac
import time
from email.utils import formatdate

from trialmaker.serving.authorization import Keys, authorization_header, sign
from trialmaker.serving.errors import HTTPError

KEYS = Keys("me", "s3cret")
DATE = "Mon, 23 Nov 2026 12:00:00 GMT"
SIGNED = {"host": "127.0.0.1:10000", "content-type": "application/json", "date": DATE}


def test_a_signature_is_that_of_openssl() -> None:
    """The value is printed by ``openssl dgst -sha1 -hmac s3cret -binary | base64`` for the three lines."""
    assert sign("s3cret", list(SIGNED.values())) == "MnSokeeCtg9gKKLF3gdrUySuHqs="


def signed_header(names: str, headers: dict[str, str], secret: str = "s3cret", url_safe: bool = False) -> str:
    values = "\n".join(headers[name.lower()] for name in names.split(";"))
    digest = hmac.digest(secret.encode(), values.encode(), hashlib.sha1)
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(digest).decode()
    return f"WS-HMAC-SHA1 AK=me,SignedHeaders={names},Signature={text}"


def passes(authorization: str, headers: dict[str, str], keys: Keys = KEYS) -> bool:
    try:
        keys.check(headers | ({"authorization": authorization} if authorization else {}))
    except HTTPError as error:
        assert error.status == 401 and error.message == "Authorization: missing or not valid"
        return False
    return True


def test_both_generations_of_the_header() -> None:
    now = SIGNED | {"date": formatdate(usegmt=True), "x-more": "1"}
    old = SIGNED | {"date": formatdate(time.time() - 16 * 60, usegmt=True)}
    names = "host;content-type;date"
    for url_safe in (False, True):
        assert passes(signed_header(names, now, url_safe=url_safe), now)
    assert passes(signed_header("Date;Host;Content-Type;X-More", now), now)
    assert passes(authorization_header(KEYS, now), now) and passes("me", now) and passes("me", {})
    wrong_headers = ["", "you", "WS-HMAC-SHA1", signed_header("host;date", now), signed_header(names, now, "other")]
    wrong_headers += [signed_header(names, now).replace("AK=me", "AK=you"), signed_header(names, now)[:-3]]
    wrong_headers += [
        signed_header(names, now).replace("host;", "host;missing;"),
        "WS-HMAC-SHA1 AK=,SignedHeaders=,Signature=",
    ]
    assert [text for text in wrong_headers if passes(text, now)] == []
    assert not passes(signed_header(names, old), old)
    assert not passes(signed_header(names, SIGNED | {"date": "soon"}), SIGNED | {"date": "soon"})
    assert not passes(signed_header(names, now), now, Keys("me"))  # no secret, no signatures
    assert passes("", {}, Keys())
