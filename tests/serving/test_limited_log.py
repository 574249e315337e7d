"""A flood of bad requests leaves a few lines; no line is forged by what a caller sends."""

import logging
import socket
from pathlib import Path

import pytest

from support.service import IMAGE, PREDICT, serving
from support.waiting import HANG_SECONDS
from trialmaker.serving.limited_log import MAX_KINDS, LimitedHandler, limited

log = logging.getLogger("test_limited_log")


def test_a_kind_has_a_line_an_interval() -> None:
    lines: list[str] = []
    kind = "warning: bad request %d"

    def end_intervals(handler: LimitedHandler) -> None:
        for timer in [*handler.timers]:
            timer.cancel()
            timer.function()

    handler = LimitedHandler(lines.append, 60)
    log.addHandler(handler)
    log.propagate = False
    for number in range(500):
        log.warning("bad request %d", number)
    log.error("another kind")
    assert lines == ["predict.py: warning: bad request 0", "predict.py: error: another kind"]
    end_intervals(handler)
    assert lines[2:] == [f"predict.py: 499 more within 60 seconds: {kind}"]
    log.warning("bad request %d", 500)  # the flood goes on: one line an interval
    end_intervals(handler)
    assert lines[3:] == [f"predict.py: 1 more within 60 seconds: {kind}"]
    end_intervals(handler)  # nothing came: the next one is a line of its own
    log.warning("bad request %d", 501)
    log.warning("bad request %d", 502)
    log.removeHandler(handler)
    log.propagate = True
    handler.close()
    assert lines[4:] == ["predict.py: warning: bad request 501", f"predict.py: 1 more within 60 seconds: {kind}"]


def test_lines_are_printable_and_kinds_are_few() -> None:
    lines: list[str] = []
    with limited(lines.append, seconds=60):
        log.warning("path %s", "/x\r\nforged: line\x1b[2J\x9b")
        try:
            raise ValueError("first\nsecond\x1b[2J")
        except ValueError:
            log.exception("failed at %s", "\n")
        for number in range(10 * MAX_KINDS):
            log.warning(f"kind {number}")
    assert lines[0] == r"predict.py: warning: path /x\r\nforged: line\x1b[2J\x9b"
    assert all(char.isprintable() or char == "\n" for line in lines for char in line)
    assert lines[1].startswith("predict.py: error: failed at \\n\n    Traceback")
    assert all(line.startswith("    ") for line in lines[1].splitlines()[1:])  # of which none can pass for another
    assert len(lines) < 2 * MAX_KINDS


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_flood_of_bad_requests_does_not_fill_the_log(published: Path, workers: str) -> None:
    heads = [b"\x16\x03\x01 \x1b[2J hello\r\n\r\n", b"GET / HTTP/9.9\r\nX: \x1b[2J\r\n\r\n", b"\r\n\r\nGET\r\n\r\n"]
    heads += [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"]
    heads += [b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"]  # and goes
    heads += [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%1b[2J HTTP/1.1\r\n\r\n",
    ]
    with serving(published, "--workers", workers) as service:
        for _ in range(40):
            for head in heads:
                with socket.create_connection(("127.0.0.1", service.port), timeout=HANG_SECONDS) as caller:
                    caller.sendall(head)
        for body in (b"{", b"[" * 5000, b"\xff"):
            for _ in range(20):
                assert service.ask(PREDICT, body).status == 400
        assert service.ask(PREDICT, IMAGE).status == 200
        code, _, err = service.stop()
    lines = err.splitlines()
    assert code == 0 and len(lines) <= 8 * int(workers) and "Traceback" not in err and "\x1b" not in err, err
    assert any(" more within 60 seconds: warning: Invalid HTTP request received" in line for line in lines), err
