"""Flags and environment variables of the service."""

from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.errors import UserError
from trialmaker.serving import settings
from trialmaker.serving.authorization import Keys


@pytest.mark.parametrize(
    ("words", "environment", "text"),
    [
        (["--port", "70000"], {}, "--port 70000: must be 0 to 65535"),
        ([], {"TRIALMAKER_WORKERS": "0"}, "--workers 0: must be 1 to 64"),
        (["--max-body", "5"], {}, "--max-body 5: must be at least 1024 bytes"),
        (["--name", "a/b"], {}, "--name a/b: must be letters, digits and _"),
        (["--max-waiting", "0"], {}, "--max-waiting 0: must be 1 to 65535"),
        ([], {"TRIALMAKER_INVERT": "maybe"}, "--invert maybe: must be auto or off"),
        ([], {"TRIALMAKER_WATCH": "maybe"}, "--watch maybe: must be on or off"),
        ([], {"MODELMAKER_SK": "x"}, "MODELMAKER_SK: is set without MODELMAKER_AK"),
        ([], {"MODELMAKER_AK": "hidden\n"}, r"^MODELMAKER_AK: must be printable ASCII without blanks around it[^\n]*$"),
        ([], {"MODELMAKER_AK": "a", "MODELMAKER_SK": "hidden "}, "^MODELMAKER_SK: must be printable ASCII"),
        (
            [],
            {"MODELMAKER_AUTH": "signature"},
            r"--auth signature \(MODELMAKER_AUTH\): needs MODELMAKER_AK, which is not",
        ),
        ([], {"MODELMAKER_AUTH": "ak"}, r"--auth ak \(MODELMAKER_AUTH\): needs MODELMAKER_AK, which is not set"),
        (
            ["--auth", "signature"],
            {"MODELMAKER_AK": "me"},
            "--auth signature .*: needs MODELMAKER_SK to check signatures",
        ),
        ([], {"MODELMAKER_AK": "me", "MODELMAKER_AUTH": "either"}, "--auth either .*: needs MODELMAKER_SK"),
        ([], {"MODELMAKER_AK": "me", "MODELMAKER_AUTH": "both"}, "--auth both .*: must be ak, signature or either"),
    ],
)
def test_settings_that_cannot_be(words: list[str], environment: dict[str, str], text: str) -> None:
    with pytest.raises(UserError, match=text):
        settings.read(words, environment)


def test_flags_win_over_the_environment() -> None:
    environment = {"TRIALMAKER_PORT": "1", "TRIALMAKER_MAX_BODY": "5000", "MODELMAKER_AK": "me"}
    values = settings.read(["--port", "2"], environment)
    assert (values.port, values.max_body, values.keys) == (2, 5000, Keys("me"))
    assert values.max_waiting == 1024
    assert (
        settings.read(["--queue", "7"], {}).max_waiting == settings.read([], {"TRIALMAKER_QUEUE": "7"}).max_waiting == 7
    )


@pytest.mark.parametrize(
    ("environment", "words", "mode"),
    [
        ({}, [], "ak"),
        ({"MODELMAKER_SK": "x"}, [], "signature"),
        ({"MODELMAKER_SK": "x", "MODELMAKER_AUTH": "either"}, [], "either"),
        ({"MODELMAKER_SK": "x", "MODELMAKER_AUTH": "either"}, ["--auth", "ak"], "ak"),
        ({"MODELMAKER_AUTH": "ak"}, [], "ak"),
    ],
)
def test_what_callers_must_bring(environment: dict[str, str], words: list[str], mode: str) -> None:
    assert settings.read(words, {"MODELMAKER_AK": "me"} | environment).keys.mode == mode


def test_where_the_service_listens_and_whether_it_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def where(*words: str, **environment: str) -> tuple[str, bool, bool]:
        values = settings.read(words, environment)
        return values.host, values.local_only, values.watch

    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    assert where() == ("127.0.0.1", True, True)
    assert where(MODELMAKER_AK="me") == ("0.0.0.0", False, True)
    assert where("--host", "127.0.0.1") == ("127.0.0.1", False, True)
    assert where("--host", "[::]", "--no-watch") == ("::", False, False)
    assert where(TRIALMAKER_HOST="::1", TRIALMAKER_WATCH="off") == ("::1", False, False)
    (tmp_path / "model").mkdir()  # the platform puts the model there
    assert where() == ("0.0.0.0", False, False)
    assert where("--watch", "--host", "127.0.0.1") == ("127.0.0.1", False, True)
    (tmp_path / "model").rmdir()
    (tmp_path / "src").symlink_to(PROJECT)  # and the code there
    assert where() == ("0.0.0.0", False, False)


def test_the_help_tells_the_limits_and_how_they_relate(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings.read(["--help"], {})
    text = " ".join(capsys.readouterr().out.split())
    assert "--max-waiting N, --queue N" in text and "(default: 1024)" in text
    assert (
        "at most --max-waiting images wait for the model, as many requests to be decoded, and as many connections"
        in text
    )
    assert "--max-waiting and 1,000 more connections may be open" in text and "at most 100 headers and 32 kB" in text
    assert "--auth MODE what callers must bring: ak, signature or either" in text
