"""The head of a request, as it comes over the wire: hosts, doubled headers, targets; and the headers of answers."""

import base64
import hashlib
import hmac
import json
import re
import signal
import socket
import tracemalloc
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from support.service import IMAGE, PREDICT, Service, serving
from support.waiting import HANG_SECONDS
from trialmaker.serving import request_head
from trialmaker.serving.errors import HTTPError

BODY = json.dumps(IMAGE).encode()


@pytest.fixture(scope="module")
def keyed(published: Path) -> Iterator[Service]:
    with serving(published, MODELMAKER_AK="me", MODELMAKER_SK="s3cret") as running:
        yield running


def send(service: Service, head: str, body: bytes = b"") -> tuple[int, str]:
    """Send a request as it is written; return the status and the text of its answer."""
    lines = [*head.strip().splitlines(), "Connection: close", *([f"Content-Length: {len(body)}"] if body else [])]
    with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as caller:
        caller.sendall("\r\n".join([*(line.strip() for line in lines), "", ""]).encode("latin-1") + body)
        answer = b""
        while received := caller.recv(65_536):
            answer += received
    return int(answer.split(b" ", 2)[1]), answer.decode()


@pytest.mark.parametrize(
    ("head", "status", "text"),
    [
        ("GET /ping HTTP/1.1\nHost: a\nHost: a", 400, "Host: is there more than once"),
        ("GET /ping HTTP/1.1\nHost: a\nhOST: b", 400, "Host: is there more than once"),
        ("GET /ping HTTP/1.1\nHost: a\nAuthorization: x\nAuthorization: y", 400, "Authorization: is there more than"),
        ("GET /ping HTTP/1.1\nHost: a\nContent-Type: x\nContent-Type: y", 400, "Content-Type: is there more than"),
        ("GET /ping HTTP/1.1\nHost: a\nDate: x\nDate: y", 400, "Date: is there more than once"),
        ("GET /ping HTTP/1.1\nAccept: x", 400, "Host: is missing; HTTP/1.1 needs it"),
        ("GET /ping HTTP/1.1\nHost: a, b", 400, "Host: must be a name or an address, and a port; got a, b"),
        ("GET /ping HTTP/1.1\nHost: a/b", 400, "Host: must be"),
        ("GET /ping HTTP/1.1\nHost: me@a", 400, "Host: must be"),
        ("GET /ping HTTP/1.1\nHost: a:b", 400, "Host: must be"),
        ("GET /ping HTTP/1.1\nHost: a\x01b", 400, ""),
        ("GET http://b/ping HTTP/1.1\nHost: a", 400, "Host: must be the host that the request's target names"),
        ("GET http://me@a/ping HTTP/1.1\nHost: a", 400, "Host: must be the host"),
        ("GET http://a/nothing HTTP/1.1\nHost: a", 404, "there is no GET /nothing"),
        ("GET http://A:10000/ping HTTP/1.1\nHost: a:10000", 200, "ready"),
        ("GET http://a?x=/ping HTTP/1.1\nHost: a", 200, "<!doctype html>"),
        ("GET http://a HTTP/1.1\nHost: a", 200, "<!doctype html>"),
        ("GET ftp://a/ping HTTP/1.1\nHost: b", 400, "Host: must be the host"),
        ("GET /ping HTTP/1.1\nHost:", 200, "ready"),  # RFC 9112: where the target has no authority
        ("GET /ping HTTP/1.0", 200, "ready"),
        ("GET /ping HTTP/1.1\nHost: [::1]:10000\nAccept: a\nAccept: b", 200, "ready"),
        ("GET /ping HTTP/1.1\nHost: my_model-1.svc.cluster.local:80", 200, "ready"),
        ("CONNECT a:80 HTTP/1.1\nHost: a:80", 400, ""),
        ("OPTIONS * HTTP/1.1\nHost: a", 404, ""),
        ("TRACE /ping HTTP/1.1\nHost: a", 405, "there is no TRACE"),
    ],
)
def test_a_head_that_has_two_meanings_is_refused(service: Service, head: str, status: int, text: str) -> None:
    answer = send(service, head)
    assert answer[0] == status and text in answer[1], answer


def signature(host: str, date: str) -> str:
    digest = hmac.digest(b"s3cret", f"{host}\napplication/json\n{date}".encode(), hashlib.sha1)
    names = "host;content-type;date"
    return f"WS-HMAC-SHA1 AK=me,SignedHeaders={names},Signature={base64.b64encode(digest).decode()}"


def test_a_signed_request_counts_for_its_host_alone(keyed: Service) -> None:
    date = formatdate(usegmt=True)
    signed = f"Content-Type: application/json\nDate: {date}\nAuthorization: {signature('a:1', date)}"
    for target, host, status in [
        (PREDICT, "a:1", 200),
        (f"http://a:1{PREDICT}", "a:1", 200),
        (f"http://b:1{PREDICT}", "a:1", 400),
        (PREDICT, "b:1", 401),
        (PREDICT, "a:1\nHost: b:1", 400),
        (PREDICT, f"a:1\nDate: {date}", 400),
        (PREDICT, "a:1\nAuthorization: me", 400),
        (PREDICT, "a:1\nContent-Type: text/plain", 400),
    ]:
        assert send(keyed, f"POST {target} HTTP/1.1\nHost: {host}\n{signed}", BODY)[0] == status, (target, host)
    bare = "Content-Type: application/json\nAuthorization: me"  # read from a signed request
    status, answer = send(keyed, f"POST {PREDICT} HTTP/1.1\nHost: a\n{bare}", BODY)
    assert status == 401 and "www-authenticate: WS-HMAC-SHA1" in answer and "s3cret" not in answer


def test_every_address_but_the_open_ones_needs_the_key(keyed: Service) -> None:
    """Also in other spellings of the open ones."""
    document = keyed.ask("/openapi.json").json
    paths = {path: {*methods} for path, methods in document["paths"].items()}
    assert len(paths) >= 10
    for path, methods in paths.items():
        for method in methods - {"parameters"}:
            expected = 200 if path.startswith("/health/") else 401
            assert keyed.ask(path.replace("{version}", "1"), BODY if method == "post" else None).status == expected, (
                path
            )
    for path in ("/ping", "/%70ing", "/docs", "/"):
        assert keyed.ask(path).status == 200
    for path in ("/metrics", "//metrics", "/ping/../metrics", "/ping%2f..%2fmetrics", "/docs/", "/ping;/metrics", "/x"):
        assert keyed.ask(path).status == 401, path


def test_answers_tell_browsers_what_they_may_do(service: Service) -> None:
    for path in ("/", "/docs", "/ping", "/metrics", "/nothing", "/openapi.json"):
        headers = service.ask(path).headers
        assert headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in headers
        assert "server" not in headers
    for path in ("/", "/docs"):
        answer = service.ask(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
        scripts = re.findall(rb"<script>(.*?)</script>", answer.body, re.DOTALL)
        assert len(scripts) == 1
        assert f"'sha256-{base64.b64encode(hashlib.sha256(scripts[0]).digest()).decode()}'" in policy


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("localhost", True), ("LOCALHOST:1", True), ("app.localhost:8080", True), ("127.0.0.1", True), ("[::1]:80", True),
     ("localhost.", True), ("127.1:80", True), ("0.0.0.0:10000", True), ("[::ffff:127.0.0.1]", True), ("[::]", True),
     ("2130706433", True), ("0x7f.1", True), ("192.168.0.1", True), ("127.0.0.1.", True),  # numbers belong to nobody
     ("evil.example:10000", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("", False),
     ("evil127.0.0.1", False), ("127.0.0.1.evil", False), ("evillocalhost", False), ("1" * 30_000 + "x", False)],
)  # fmt: skip
def test_a_service_for_this_machine_is_reached_under_its_own_names(host: str, is_local: bool) -> None:
    scope = {"http_version": "1.1", "headers": [(b"host", host.encode())]}
    request_head.check(scope)
    if is_local:
        request_head.check(scope, local_only=True)
        return
    with pytest.raises(HTTPError, match=r"^Host: this service answers this machine alone") as caught:
        request_head.check(scope, local_only=True)
    assert caught.value.status == 421 and ("; but it is empty; " in caught.value.message) == (host == "")


def test_long_hosts_are_not_kept() -> None:
    tracemalloc.start()
    for number in range(100):
        request_head.check({"headers": [(b"host", b"%d." % number + b"y" * 30_000)]})
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()


def test_it_says_where_it_listens_and_what_that_means(published: Path, tmp_path: Path) -> None:
    """By default for this machine alone, where a name that was made to point here reads nothing (DNS rebinding)."""
    with serving(published, listens_by_default=True, AI_ROOT=str(tmp_path)) as service:
        assert send(service, f"POST {PREDICT} HTTP/1.1\nHost: evil.example:{service.port}", BODY)[0] == 421
        assert send(service, f"POST {PREDICT} HTTP/1.1\nHost: localhost:{service.port}", BODY)[0] == 200
        lines = service.stop()[1].splitlines()
    assert lines[0].endswith(f" by LiteRT on 127.0.0.1:{service.port}")
    assert lines[1] == (
        "only this machine can reach 127.0.0.1; --host 0.0.0.0 lets others in, MODELMAKER_AK asks them for a key"
    )
    assert lines[2] == f"try it in a browser: http://127.0.0.1:{service.port}/"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_it_listens_on_both_internets(published: Path) -> None:
    with (
        serving(published, "--host", "::") as service,
        socket.create_connection(("::1", service.port), timeout=HANG_SECONDS),
    ):
        assert service.ask("/ping").status == 200  # by 127.0.0.1
        code, out, err = service.stop(signal.SIGHUP)  # of a terminal that is closed
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith(f" on [::]:{service.port}")
    assert lines[1].startswith(
        "every machine in reach of this one can reach ::, as --host :: says; the service answers"
    )
    assert lines[2] == f"try it in a browser: http://127.0.0.1:{service.port}/"
