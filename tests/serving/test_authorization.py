"""The two generations of the ``Authorization`` header."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

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
        assert error.status == 401 and error.message.startswith("Authorization: missing or not valid")
        assert not ({keys.access, keys.secret} - {""}) & {*re.split(r"[ ,=]", f"{error.message} {error.headers}")}
        return False
    return True


def test_a_signature_in_all_its_spellings() -> None:
    now = SIGNED | {"date": formatdate(usegmt=True), "x-more": "1"}
    old = SIGNED | {"date": formatdate(time.time() - 16 * 60, usegmt=True)}
    early = SIGNED | {"date": formatdate(time.time() + 16 * 60, usegmt=True)}
    names = "host;content-type;date"
    for url_safe in (False, True):
        assert passes(signed_header(names, now, url_safe=url_safe), now)
    assert passes(signed_header("Date;Host;Content-Type;X-More", now), now)
    assert passes(authorization_header(KEYS, now), now)
    right = signed_header(names, now)
    assert passes(right.rstrip("="), now) and passes(right.replace(",", " , ").replace("AK=", "ak="), now)
    assert passes(right.replace("WS-HMAC-SHA1 ", "ws-hmac-sha1   "), now)
    wrong_headers = ["", "me", "you", "WS-HMAC-SHA1", signed_header("host;date", now), signed_header(names, now, "no")]
    wrong_headers += [signed_header("host;content-type", now), signed_header("content-type;date", now)]
    wrong_headers += [
        right.replace("AK=me", "AK=you"),
        right[:-3],
        f"{right},AK=me",
        f"{right}, Signature=",
        right[13:],
    ]
    wrong_headers += [right.replace("host;", "host;missing;"), "WS-HMAC-SHA1 AK=,SignedHeaders=,Signature="]
    assert [text for text in wrong_headers if passes(text, now)] == []
    assert not passes(signed_header(names, old), old) and not passes(signed_header(names, early), early)
    assert not passes(signed_header(names, SIGNED | {"date": "soon"}), SIGNED | {"date": "soon"})
    umlaut = now | {"content-type": "a/b; name=\xe4"}  # as a byte of Latin-1 stands in a header
    digest = hmac.digest(
        b"s3cret", "\n".join(umlaut[name] for name in names.split(";")).encode("latin-1"), hashlib.sha1
    )
    signature = base64.b64encode(digest).decode()
    assert passes(f"WS-HMAC-SHA1 AK=me,SignedHeaders={names},Signature={signature}", umlaut)


@pytest.mark.parametrize(
    ("keys", "bare", "signed"),
    [
        (Keys("me"), True, False),  # no secret, no signatures
        (Keys("me", "s3cret"), False, True),  # who sees a signed request knows the access key
        (Keys("me", "s3cret", "ak"), True, False),
        (Keys("me", "s3cret", "either"), True, True),
        (Keys("me", "", "either"), True, False),  # an empty secret signs nothing
    ],
)
def test_which_generation_is_let_in(keys: Keys, bare: bool, signed: bool) -> None:
    now = SIGNED | {"date": formatdate(usegmt=True)}
    names = "host;content-type;date"
    assert passes("me", now, keys) is bare and passes("me", {}, keys) is bare
    assert passes(signed_header(names, now, keys.secret), now, keys) is signed
    assert not passes("", {}, keys) and not passes("you", now, keys)
    assert passes(authorization_header(keys, now), now, keys)  # what our own client sends
    assert "me" not in repr(keys) and "s3cret" not in repr(keys)


def test_without_keys_everybody_is_let_in() -> None:
    assert passes("", {}, Keys())


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    "form",
    [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%a, %d %b %Y %H:%M:%S -0000",
        "%a, %d %b %Y %H:%M:%S",
        "%a, %d %b %Y %H:%M:%S UTC",
        "%A, %d-%b-%y %H:%M:%S GMT",  # RFC 850's
        "%a %b %d %H:%M:%S %Y",  # asctime's
    ],
)
def test_a_date_without_a_zone_is_in_gmt(form: str) -> None:
    for minutes, is_near in ((0, True), (-14, True), (14, True), (-16, False), (8 * 60, False), (-8 * 60, False)):
        headers = SIGNED | {"date": time.strftime(form, time.gmtime(time.time() + 60 * minutes))}
        assert passes(signed_header("host;content-type;date", headers), headers) is is_near, minutes
