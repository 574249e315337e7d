"""``python -m trialmaker ui``: who may ask its server; and when it is killed, no server stays, and no folder."""

import http.client
import signal
from contextlib import closing
from pathlib import Path

import pytest

from support.processes import command, processes_of
from support.servers import free_port, is_listening
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.cli.main import main


def status(port: int, path: str, method: str = "GET", **headers: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)) as connection:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        return connection.getresponse().status


def test_pages_of_other_hosts_are_refused_and_no_server_outlives_a_kill(
    copies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, temporary = free_port(), tmp_path / "temporary"
    temporary.mkdir()
    words = ("-m", "trialmaker", "ui", str(copies[0]), "--port", str(port), "--store", str(tmp_path / "merged"))
    with command(tmp_path, *words, TMPDIR=str(temporary)) as process:
        assert any("Ctrl-C" in line for line in iter(process.stdout.readline, "")), "it ended"  # type: ignore[union-attr]
        assert is_listening(port)
        wait_until(lambda: len(processes_of(tmp_path)) > 2)
        search = "/api/2.0/mlflow/experiments/search?max_results=5"
        assert status(port, search) == 200
        for name in ("elsewhere.example", f"elsewhere.example:{port}", "127.0.0.1.elsewhere.example"):  # DNS rebinding
            assert status(port, search, Host=name) == 403
        create = "/api/2.0/mlflow/experiments/create"
        assert status(port, create, "POST", Origin="http://elsewhere.example") == 403
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not processes_of(tmp_path))
        wait_until(lambda: not is_listening(port))
    assert list(temporary.iterdir())
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert main(["compare", "nowhere"]) == 2
    assert list(temporary.iterdir()) == []
