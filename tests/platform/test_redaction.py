"""Names and passwords in texts: what is hidden, and what stays as it is."""

import re
from pathlib import Path

import pytest

from trialmaker.platform.redaction import hide_passwords, without_password

SOURCE = Path(__file__).parents[2] / "src" / "trialmaker"
UNCHANGED = (
    "",
    "an ordinary line, 100 %",
    "https://mlflow.example.org:5000/path?run=1#top",
    "sqlite:////opt/ai/output/mlflow.db",
    "name@example.org",
    "git@example.org:group/project.git",
    "optimizer@other=adam",
    "the password= of a form",
    "http://host/?old_password=x",
    "uri: null\npassword: [1, 2]\n",
)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        # before the host
        ("https://name:secret@host:5000/path", "https://***@host:5000/path"),
        ("https://token@host", "https://***@host"),
        ("postgresql+psycopg://name:secret@host/db", "postgresql+psycopg://***@host/db"),
        ("https://name:p@ss@host", "https://***@host"),
        ("https://name:p/a?s#s@host", "https://***@host"),
        ("https://name:%40%3A@host", "https://***@host"),
        ("https://:secret@host", "https://***@host"),
        # in the query
        ("mysql://host/db?password=secret", "mysql://host/db?password=***"),
        ("mysql://host/db?user=name&password=secret&ssl=1", "mysql://host/db?user=name&password=***&ssl=1"),
        ("http://host/?password=", "http://host/?password=***"),
        ("http://name:one@host/?password=two", "http://***@host/?password=***"),
        # several
        ("http://a:1@host to http://b:2@other", "http://***@host to http://***@other"),
        ("http://a:1@host\nhttp://b:2@other\n", "http://***@host\nhttp://***@other\n"),
        ("?password=1 &password=2", "?password=*** &password=***"),
        # in quotes
        ("'http://a:1@host' \"http://b:2@other\"", "'http://***@host' \"http://***@other\""),
        ('["http://a:1@host","http://b:2@other"]', '["http://***@host","http://***@other"]'),
        ("'http://host/?password=1' and more", "'http://host/?password=***' and more"),
        # several without blanks or quotes between: more is hidden than need be
        ("[http://a:1@host,http://b:2@other]", "[http://***@other]"),
        # in longer texts
        (
            "tracking:\n  uri: https://a:1@host\n  experiment: x\n",
            "tracking:\n  uri: https://***@host\n  experiment: x\n",
        ),
        ("- tracking.uri=https://a:1@host\n- seed=1\n", "- tracking.uri=https://***@host\n- seed=1\n"),
        ("OSError: https://a:1@host/api refused it", "OSError: https://***@host/api refused it"),
        *((text, text) for text in UNCHANGED),
    ],
)
def test_the_text_without_passwords(text: str, redacted: str) -> None:
    assert without_password(text) == redacted
    assert without_password(redacted) == redacted


def test_the_yaml_files_of_a_folder_are_redacted(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("uri: https://名:密@host\nexperiment: 手写\n", encoding="utf-8")
    (tmp_path / "overrides.yaml").write_text("- seed=1\n")
    (tmp_path / "notes.txt").write_text("https://a:1@host")
    before = (tmp_path / "overrides.yaml").stat().st_mtime_ns
    hide_passwords(tmp_path)
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "uri: https://***@host\nexperiment: 手写\n"
    assert (tmp_path / "overrides.yaml").stat().st_mtime_ns == before
    assert (tmp_path / "notes.txt").read_text() == "https://a:1@host"


def test_no_other_module_has_a_pattern_of_passwords() -> None:
    paths = [path for path in SOURCE.rglob("*.py") if re.search(r"\*\*\*@|=\*\*\*", path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(SOURCE)) for path in paths] == ["platform/redaction.py"]
