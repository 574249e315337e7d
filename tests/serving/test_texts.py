"""The texts of the service's pages: in both languages, in one file, and all of them used."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import trialmaker.serving
from trialmaker.serving import pages

FOLDER = Path(str(trialmaker.serving.__file__)).with_name("web")
TEXTS = pages.texts()
COMPOSED = re.compile("(model|status|operation)_")  # keys that scripts compose of this and a name


def test_every_text_is_there_in_both_languages() -> None:
    for key, entry in TEXTS.items():
        assert set(entry) == {"en", "zh"}, key
        assert re.search("[a-z]", entry["en"]) and not re.search("[\u3000-\u9fff\uff00-\uffef]", entry["en"]), key
        assert re.search("[\u4e00-\u9fff]", entry["zh"]), key
        assert {*re.findall(r"\{\w+\}", entry["en"])} == {*re.findall(r"\{\w+\}", entry["zh"])}, key


def test_every_text_is_used_and_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.name != "texts.json")
    in_calls = "".join(re.findall(r"\b(?:text|askForKey)\(([^;]*)", sources))
    named = {*re.findall(r'(?:data-text=|\btext\(|\d: )"(\w+)"', sources)}
    assert named <= TEXTS.keys()
    chosen = {*re.findall(r'"(\w+)"', in_calls)}
    assert {key for key in TEXTS if key not in named | chosen and not COMPOSED.match(key)} == set()


class _Words(HTMLParser):
    """The words of a page that stand in its HTML itself, but for code and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.path: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.path.append(tag)
        self.words += [
            value for name, value in attrs if name in {"alt", "title", "aria-label", "placeholder"} and value
        ]

    def handle_endtag(self, tag: str) -> None:
        while self.path and self.path.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not {"script", "style", "code"} & {*self.path}:
            self.words.append(data.strip())


@pytest.mark.parametrize(
    ("name", "words"), [("drawing", ["TrialMaker", "TrialMaker"]), ("docs", ["TrialMaker", "openapi.json"])]
)
def test_no_text_stands_in_a_page_itself(name: str, words: list[str]) -> None:
    page = pages.html(name)
    assert _Words(page).words == words
    assert not re.search(r"(src|href)=\"?https?:|@import|url\(|\{\{", page)  # works without internet
