"""The causes in an output's ``failure``, as a program reads them."""

from pathlib import Path

from trialmaker.platform.bilingual_texts import split_line


def causes(output: Path) -> list[str]:
    """The English parts of the lines in ``failure``, each of which has its Chinese."""
    parts = [split_line(line) for line in (output / "failure").read_text(encoding="utf-8").splitlines()]
    assert parts and all(chinese for _, chinese in parts), parts
    return [english for english, _ in parts]
