"""Flags and environment variables of the service."""

import pytest

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
        ([], {"MODELMAKER_SK": "x"}, "MODELMAKER_SK: is set without MODELMAKER_AK"),
    ],
)
def test_settings_that_cannot_be(words: list[str], environment: dict[str, str], text: str) -> None:
    with pytest.raises(UserError, match=text):
        settings.read(words, environment)


def test_flags_win_over_the_environment() -> None:
    environment = {"TRIALMAKER_PORT": "1", "TRIALMAKER_MAX_BODY": "5000", "MODELMAKER_AK": "me"}
    values = settings.read(["--port", "2"], environment)
    assert (values.port, values.max_body, values.keys) == (2, 5000, Keys("me"))
