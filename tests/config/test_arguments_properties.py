"""Whatever the value: written as a runtime parameter and read back it is the same. Whatever is typed: one answer."""

import re
import subprocess
from itertools import product
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from support.parameters import FIELDS, GROUPS, TEXT, names_of, spellings, values_of, writings
from trialmaker.config import fields, validation
from trialmaker.config.arguments import tokens, translation, values
from trialmaker.config.arguments.foreign_words import SYNONYMS
from trialmaker.errors import UserError
from trialmaker.platform.paths import CONF

PARSER = OverridesParser.create()


def arrival(override: str) -> tuple[str, Any]:
    """Which field the override changes, and what Hydra and OmegaConf make of its value."""
    parsed = PARSER.parse_override(override)
    resolved = OmegaConf.to_container(OmegaConf.create({"value": parsed.value()}), resolve=True)
    assert isinstance(resolved, dict)
    return parsed.key_or_group, resolved["value"]


def assert_arrives(argv: list[str], field: fields.Field, value: Any) -> None:
    (override,) = translation.translate(argv, [CONF])
    path, result = arrival(override)
    assert (path, result) == (field.path, value), argv
    assert isinstance(result, bool) == isinstance(value, bool)
    assert validation.broken_laws(field, result) == []


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.path}-{field.owner}")
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_any_value_of_any_field_arrives_in_every_spelling(field: fields.Field, data: st.DataObject) -> None:
    value = data.draw(values_of(field.type))
    text = data.draw(st.sampled_from(writings(value)))
    name = data.draw(st.sampled_from(names_of(field.path)))
    assert_arrives(data.draw(st.sampled_from(spellings(name, text))), field, value)
    # name=value is Hydra's: what it reads as text is that text, so here a text is written in its way.
    assert_arrives([f"{name}={values.write(value) if values.is_text(field.type) else text}"], field, value)


@settings(deadline=None, max_examples=200)
@given(st.text(TEXT, min_size=1))
def test_a_text_without_quotes_around_it_is_taken_as_it_is(text: str) -> None:
    if values.unquoted(text) == text:
        (override,) = translation.translate([f"--experiment_name={text}"], [CONF])
        assert arrival(override) == ("tracking.experiment", text)
        assert translation.translate(["--experiment_name", f"{text} "], [CONF]) == [
            f"tracking.experiment={values.write(f'{text} ')}"
        ]


def test_the_five_spellings_of_each_choice() -> None:
    for group, choices in GROUPS.items():
        for choice, name in product(choices, (group, *(s for s, key in SYNONYMS.items() if key == group))):
            for argv in (*spellings(name, choice), *spellings(name, f'"{choice}"'), [f"{name}={choice}"]):
                assert translation.translate(argv, [CONF]) == [f"{group}={choice}"]


ANY_TEXT = st.text(st.characters() | st.sampled_from("-=+~ \0\n\ud800'\"[](){}$,"), max_size=12)
NAME = st.sampled_from([
    *{name for field in FIELDS for name in names_of(field.path)}, *GROUPS, *SYNONYMS, "training", "tracking", "name",
    "hydra.run.dir", "hydra/launcher", "hydra", "model@x", "zebra", "sweeps", "run", "info", "version", "package",
    "mult", "conf", "", ".", "a.b", "a b", "$x", "0",
]) | ANY_TEXT  # fmt: skip
VALUE = st.sampled_from([
    "", "0", "1", "-1", "-0.1", "1e3", "1e999999999", "0x10", "inf", "-inf", "nan", "true", "null", "none", "cnn",
    "adam", "adam,sgd", "choice(1,2)", "range(1,3)", "glob(*)", "interval(0,1)", "int(1e400)", "${seed}", "${", "$",
    "???", "[1,2]", "[", "(", "{a:1}", "'a", '"a"', "\\", "a\\'b", "[[1],[2]]", "[true,null]", "[1+2j, b'x']",
    "'a','b'", "\ud800", '["\\ud800"]', "a=b", "--", "-m", "9" * 5000, "[" * 300, "\\" * 300 + "a", "{" * 300,
]) | ANY_TEXT  # fmt: skip
PREFIX = st.sampled_from(["--", "-", "", "+", "++", "~", "---"])
NEAR_LEGAL = (
    st.builds(lambda prefix, name: [prefix + name], PREFIX, NAME)
    | st.builds(lambda prefix, name, value: [f"{prefix}{name}={value}"], PREFIX, NAME, VALUE)
    | st.builds(lambda prefix, name, value: [prefix + name, value], PREFIX, NAME, VALUE)
    | st.sampled_from([*tokens.FLAGS, *tokens.SWITCHES]).map(lambda flag: [flag])
    | st.builds(lambda flag, value: [flag, value], st.sampled_from([*tokens.FLAGS, *tokens.SWITCHES]), VALUE)
    | st.builds(lambda flag, value: [f"{flag}={value}"], st.sampled_from([*tokens.FLAGS, *tokens.SWITCHES]), VALUE)
)


def assert_answered(argv: list[str]) -> None:
    """Either Hydra's own parsers take what is returned, or there are mistakes, a line each."""
    try:
        translated = translation.translate(argv, [CONF])
    except UserError as error:
        assert error.mistakes and all(line and line.isprintable() for line in error.mistakes)
        return
    if not tokens.SHELL_COMPLETION & set(argv):
        PARSER.parse_overrides(get_args_parser().parse_args(translated).overrides)
        translation.command_line(translated)


@settings(deadline=None, max_examples=300)
@given(st.lists(ANY_TEXT, max_size=5))
def test_no_words_raise_anything_but_a_user_error(argv: list[str]) -> None:
    assert_answered(argv)


@settings(deadline=None, max_examples=1000)
@given(st.lists(NEAR_LEGAL, max_size=4))
def test_no_nearly_legal_words_raise_anything_but_a_user_error(parts: list[list[str]]) -> None:
    assert_answered([word for part in parts for word in part])


PIECES = TEXT.filter(lambda char: char != "\0") | st.sampled_from(["accuracy", "accuracy ", "=", "'", " "])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(PIECES, min_size=1).map("".join)))
def test_bash_reads_the_line_to_copy_as_the_same_words(overrides: list[str]) -> None:
    line = translation.command_line(overrides)
    assert line.isprintable() and not re.search(r".*?accuracy\s(.*)", f"{line}\n")
    shell = line.replace("python train.py", "printf '%s\\0' python", 1)
    output = subprocess.run(["bash", "-c", shell], capture_output=True, check=True).stdout
    assert output.decode().split("\0")[1:-1] == overrides
