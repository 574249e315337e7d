"""What a Chinese input method makes of a command line, and what is read: syntax as it is meant, text to the letter."""

import random
import shlex
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.parameters import FIELDS, TEXT, names_of, spellings, values_of, writings
from trialmaker.config import fields
from trialmaker.config.arguments import translation, values
from trialmaker.errors import UserError
from trialmaker.platform.input_methods import DASHES, FULL_WIDTH_MARKS, plain
from trialmaker.platform.paths import CONF

FULL_WIDTH = [*DASHES, *FULL_WIDTH_MARKS, *"＝，。１２ａｂ：（）　\xa0"]


@pytest.mark.parametrize(
    ("typed", "meant", "notice"),
    [
        ("——epochs ２", "--epochs 2", "read ——epochs as --epochs, ２ as 2"),
        ("–lr 0.1", "--lr 0.1", "read –lr as --lr"),
        ("－－epochs=１０", "--epochs=10", "read －－epochs=１０ as --epochs=10"),
        ("epochs＝2", "epochs=2", "read epochs＝2 as epochs=2"),
        ("epochs：2", "epochs=2", "read epochs：2 as epochs=2"),
        ("ｅｐｏｃｈｓ=2", "epochs=2", "read ｅｐｏｃｈｓ=2 as epochs=2"),
        ("--hidden_units 128，64", "--hidden_units 128,64", "read 128，64 as 128,64"),
        ("model.hidden_units＝［128、64］", "model.hidden_units=[128,64]", None),
        ("--hidden_units=“128，64”", "'--hidden_units=\"128,64\"'", None),
        ("lr=1e−3 --momentum －0.5", "lr=1e-3 --momentum -0.5", None),
        ("lr=0。1", "lr=0.1", None),
        ("--model ｃｎｎ --download ｙｅｓ", "--model cnn --download yes", None),
        ("－m seed＝1，2，3", "-m seed=1,2,3", None),
        ("—multirun model=cnn，mlp", "--multirun model=cnn,mlp", None),
        ("—h", "-h", None),
        ("optimizer.beta_1＝interval（0.8，0.99）", "'optimizer.beta_1=interval(0.8,0.99)'", None),
        ("training＝｛epochs：3｝", "'training={epochs:3}'", None),
        ("＋x＝1", "+x=1", None),
        ("hydra.sweeper.n_trials＝６０", "hydra.sweeper.n_trials=60", None),
        # a blank at which no shell parts words
        ("——epochs　10　——lr　０．１", "--epochs 10 --lr 0.1", None),
        ("epochs=2　lr=0.1", "epochs=2 lr=0.1", "read a wide blank as a blank"),
        ("--hidden_units 128　64", "--hidden_units '128 64'", None),
        # a name that there is not: the answer is about what was meant
        ("——modle cnn", "--modle cnn", "read ——modle as --modle"),
        # text
        ("--experiment_name 数字，（新）——二", "--experiment_name 数字，（新）——二", ""),
        ("--experiment_name ——数字", "--experiment_name ——数字", ""),
        ("experiment_name=你好　世界＝１", "experiment_name=你好　世界＝１", ""),
        ("--experiment_name epochs＝２", "--experiment_name epochs＝２", ""),
        ("output=/数据/a，b", "output=/数据/a，b", ""),
        ("——output　/数据/１　２", "--output '/数据/１　２'", None),
        ("--config-dir ／配置", "--config-dir ／配置", ""),
        (
            "hydra.sweeper.study_name=数字６０ hydra.run.dir=./１",
            "hydra.sweeper.study_name=数字６０ hydra.run.dir=./１",
            "",
        ),
    ],
)
def test_what_is_read(typed: str, meant: str, notice: str | None) -> None:
    words, line = translation.as_meant(typed.split(" "), [CONF])
    assert words == shlex.split(meant)
    assert line == notice or (notice is None and line.startswith("read "))


@cache
def wide_characters() -> dict[str, list[str]]:
    """Return the wide forms of each character of ASCII."""
    forms: dict[str, list[str]] = {char: [] for char in map(chr, range(32, 127))}
    for wide in map(chr, range(0x2010, 0x10000)):
        forms.get(plain(wide), []).append(wide)
    return forms


@pytest.mark.parametrize("field", [field for field in FIELDS if not values.is_text(field.type)],
                         ids=lambda field: f"{field.path}-{field.owner}")  # fmt: skip
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_a_value_that_is_no_text_is_the_same_in_wide_characters(field: fields.Field, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(writings(data.draw(values_of(field.type)))))
    name = data.draw(st.sampled_from(names_of(field.path)))
    words = data.draw(st.sampled_from([*spellings(name, text), [f"{name}={text}"]]))
    characters = random.Random(data.draw(st.integers(0, 2**32)))
    wide = ["".join(characters.choice([char, *wide_characters()[char]]) for char in word) for word in words]
    read, notice = translation.as_meant(wide, [CONF])
    assert _translated(read) == _translated(words), wide
    assert bool(notice) == (read != wide)


@settings(deadline=None, max_examples=300)
@given(st.text(TEXT | st.sampled_from(FULL_WIDTH), min_size=1), st.data())
def test_a_text_stays_to_the_letter(text: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([field for field in FIELDS if values.is_text(field.type)]))
    name = data.draw(st.sampled_from(names_of(field.path)))
    assert translation.as_meant([f"{name}={text}"], [CONF]) == ([f"{name}={text}"], "")
    assert translation.as_meant([f"--{name}={text}"], [CONF]) == ([f"--{name}={text}"], "")
    assume(plain(text)[0] != "-")  # it may be the next parameter
    assert translation.as_meant([f"--{name}", text], [CONF]) == ([f"--{name}", text], "")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(st.characters(max_codepoint=127)), max_size=5))
def test_words_of_ascii_are_as_they_are(argv: list[str]) -> None:
    assert translation.as_meant(argv, [CONF]) == (argv, "")


def _translated(argv: list[str]) -> list[str] | tuple[str, ...]:
    try:
        return translation.translate(argv, [CONF])
    except UserError as error:
        return error.mistakes
