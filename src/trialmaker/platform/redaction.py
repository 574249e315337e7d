"""Passwords, kept out of everything that is printed, logged or recorded."""

import re
from pathlib import Path


def hide_passwords(folder: Path) -> None:
    """In the text files of a folder, which are kept and shown."""
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if (hidden := without_password(text)) != text:
            path.write_text(hidden, encoding="utf-8")


def without_password(text: str) -> str:
    """The text, without the names and passwords in addresses such as ``https://name:password@host``."""
    text = re.sub(r"(\w://)[^\s'\"]*@", r"\1***@", text)
    return re.sub(r"([?&]password=)[^&\s'\"]*", r"\1***", text)
