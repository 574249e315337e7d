"""Fixtures of the tests over many outputs: a command of ``python -m trialmaker``, run in this process."""

from pathlib import Path

import pytest

from support.outputs import Command
from trialmaker.cli.main import main


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command with a store of the test's own; return its exit code and what it printed."""
    monkeypatch.setenv("AI_ROOT", str(tmp_path / "here"))

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--store", str(tmp_path / "merged")])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run
