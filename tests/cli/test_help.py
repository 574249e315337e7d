"""The help of each program: groups of few options, and examples that can be typed as they are, in 80 columns."""

import re
import shlex

import click
import pytest

from trialmaker.cli.main import COMMANDS, NAME, commands
from trialmaker.config.arguments.tokens import HELP_TOPICS
from trialmaker.config.arguments.translation import translate
from trialmaker.config.help import help_text
from trialmaker.platform.paths import CONF
from trialmaker.serving import settings

MAX_GROUP = 9  # options below one heading


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    help_text.cache_clear()


def help_of(name: str) -> str:
    with commands.make_context(NAME, [name] if name else [], resilient_parsing=True) as context:
        if not name:
            return context.get_help()
        command = commands.get_command(context, name)
        assert command
        with click.Context(command, info_name=name, parent=context) as inner:
            return inner.get_help()


def examples(text: str) -> list[str]:
    """The example lines of a help, those over several lines as one."""
    assert max(map(len, text.splitlines())) <= 80
    lines = text.partition("Examples:\n")[2].replace("\\\n", "").splitlines()
    assert lines
    return [line.strip() for line in lines]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_each_command_has_examples_that_it_accepts(name: str) -> None:
    for line in examples(help_of(name)):
        _, _, words = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line).partition("python -m trialmaker ")
        with commands.make_context(NAME, shlex.split(words)) as context:
            command_name, command, rest = commands.resolve_command(context, [*context._protected_args, *context.args])
            assert command and command_name and (not name or name == command_name)
            if rest != ["--help"]:
                params = command.make_context(command_name, rest, parent=context).params
                assert translate(shlex.split(params.get("words", "")), [CONF]) is not None  # what a job is to do


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_few_below_each_heading(name: str) -> None:
    for section in re.split(r"^\S.*:$", help_of(name), flags=re.MULTILINE):
        assert len(re.findall(r"^  -", section, re.MULTILINE)) <= MAX_GROUP


@pytest.mark.parametrize("topic", ["", *HELP_TOPICS])
def test_the_help_of_train_has_examples_that_it_accepts(topic: str) -> None:
    for line in examples(help_text(topic).replace("$$", "$")):
        program, boot_file, *words = shlex.split(line)
        assert (program, boot_file) == ("python", "train.py") and translate(words, [CONF]) is not None


def test_the_help_of_predict_has_examples_that_it_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings.read(["--help"])
    for line in examples(capsys.readouterr().out):
        program, boot_file, *words = shlex.split(line)
        assert (program, boot_file) == ("python", "predict.py") and settings.read(words, {}).port
