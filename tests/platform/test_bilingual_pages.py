"""Pages in two languages: each text in both, with the same places."""

import string
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.platform.bilingual_pages import LANGUAGES, bilingual, load_template
from trialmaker.platform.bilingual_texts import read_texts

TEMPLATES = [path for path in (PROJECT / "src").rglob("*.html") if path.with_suffix(".json").exists()]
SAME_IN_BOTH = {"f1"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_each_text_is_there_in_both_languages_with_the_same_places(template: Path) -> None:
    for key, text in read_texts(template).items():
        places = [sorted(name for _, name, _, _ in string.Formatter().parse(one) if name) for one in text.values()]
        assert text.keys() == LANGUAGES.keys() and all(text.values()) and places[0] == places[1], key
        assert (text["en"] == text["zh"]) == (key in SAME_IN_BOTH), key
    assert len(TEMPLATES) == 2


def test_values_are_escaped_and_a_text_within_a_text_is_not(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{{ t('a', value=value, inner=t('b')) }}</p>")
    (tmp_path / "page.json").write_text(
        '{"a": {"en": "A {value} {inner}", "zh": "甲 {value} {inner}"}, "b": {"en": "B", "zh": "乙"}}'
    )
    inner = '<span lang="en">B</span><span lang="zh-CN">乙</span>'
    assert load_template(tmp_path / "page.html").render(value="<1>") == (
        f'<p><span lang="en">A &lt;1&gt; {inner}</span><span lang="zh-CN">甲 &lt;1&gt; {inner}</span></p>'
    )
    assert bilingual({"en": "{x}", "zh": "{x}"}, {"x": "&"}).count("&amp;") == 2
