"""HTML pages in English and Chinese, of which the browser's language shows one.

A page is a Jinja template; its texts lie beside it in a JSON file of the same name: by key, one for each language.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from trialmaker.platform.bilingual_texts import read_texts

LANGUAGES = {"en": "en", "zh": "zh-CN"}  # a text's key → the attribute ``lang``


def load_template(path: Path) -> Template:
    """Return a template, in which ``t("key", place=…)`` is a text, and ``texts`` all of them."""
    texts = read_texts(path)

    def text(key: str, **values: object) -> Markup:
        return bilingual(texts[key], values)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"t": text, "texts": texts}
    return environment.from_string(path.read_text(encoding="utf-8"))


def bilingual(text: Mapping[str, str], values: Mapping[str, Any]) -> Markup:
    """Return a text in all languages, each in an element that a style sheet shows or hides.

    Args:
        text: by language.
        values: for the text's places, or for each language one; they are escaped.
    """
    spans = (
        Markup('<span lang="{}">{}</span>').format(attribute, Markup(text[language]).format(**_in(language, values)))
        for language, attribute in LANGUAGES.items()
    )
    return Markup("").join(spans)


def _in(language: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[language] if isinstance(value, dict) else value for name, value in values.items()}
