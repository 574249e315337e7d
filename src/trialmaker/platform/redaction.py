"""Redaction of names and passwords in everything that is printed, logged or recorded."""

import re
from pathlib import Path

USER_INFO = re.compile(r"(\w://)[^\s'\"]*@")  # up to the last @: a password may have one
PASSWORD_IN_QUERY = re.compile(r"([?&]password=)[^&\s'\"]*")


def without_password(text: str) -> str:
    """Return the text with ``***`` in place of names and passwords in addresses.

    These are the part before the ``@`` of ``https://name:password@host``, and the parameter ``password`` of a query.
    """
    return PASSWORD_IN_QUERY.sub(r"\1***", USER_INFO.sub(r"\1***@", text))


def hide_passwords(folder: Path) -> None:
    """Redact the YAML files of a folder in place; a file without a password is not written."""
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if (redacted := without_password(text)) != text:
            path.write_text(redacted, encoding="utf-8")
