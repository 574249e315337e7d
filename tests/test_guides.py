"""The guides: their commands are ones, their links lead somewhere, and what runs them tells what differs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from support import guides
from support.entry import PROJECT
from trialmaker.cli import main
from trialmaker.config import resolvers, sweep_files, validation
from trialmaker.config.arguments import overrides, translation
from trialmaker.experiment import study_identity
from trialmaker.platform.paths import CONF
from trialmaker.serving import settings

DOCS = PROJECT / "docs"
INDEX, OWN_LENGTH = DOCS / "README.md", {"README.md", "several_instances.md", "speed.md"}
PAGES = [PROJECT / "README.md", *sorted(DOCS.glob("*.md"))]
UNRUN = re.compile(r"(?<=^```bash\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
MADE = {"experiment=mine", "--experiment=wide", "sweeps=batch"}  # choices whose files the page makes
SWEEPS = {"-m", "--multirun"}
OTHERS = {
    *("cat", "cd", "curl", "echo", "git", "head", "ls", "make", "mkdir", "source", "tail"),
    *("eval", "jupyter", "optuna-dashboard", "pip", "tensorboard", "tensorflow_model_server"),
}


def commands(page: Path) -> Iterator[guides.Example]:
    """Yield the commands of both kinds of blocks; of those that are not run, without what they print."""
    text = page.read_text(encoding="utf-8")
    for block in guides.CONSOLE.findall(text):
        yield from guides.examples(block)
    for block in UNRUN.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        yield from (guides.Example(line) for line in lines if line and not line.startswith("#"))


def words_of(command: str) -> list[str]:
    """Return the words of a command's first program, without what the shell does with it."""
    lexer = shlex.shlex(command.partition(" <<")[0].replace("\\\n", ""), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        if words or not re.match(r"[A-Z_]+=", word):
            words.append(word)
    return words


def check_training(words: list[str]) -> None:
    """Compose what follows ``train.py``, and check its values."""
    meant, _ = translation.as_meant(words, [CONF])
    translated = translation.translate([word for word in meant if word not in MADE], [CONF])
    if "--help" in translated:
        return
    values = [word for word in translated if not word.startswith("-") and word not in (*MADE, "job", "model")]
    sweep_files.register(values)
    is_sweep = {word: overrides.parse(word).is_sweep_override() for word in values}
    if any(is_sweep.values()):
        assert SWEEPS & set(translated) or any(word.startswith("sweeps=") for word in words), words
    validation.load(compose("config", [word for word in values if not is_sweep[word]]))


def check(words: list[str]) -> None:
    """Check that a command is one."""
    match words:
        case ["timeout", _, _, *rest]:
            check(rest)
        case ["python", "train.py", *rest] | ["trialmaker-train", *rest]:
            check_training(rest)
        case ["python", "-m", "trialmaker", *rest] | ["trialmaker", *rest]:
            check_tool(rest)
        case ["python", "predict.py", *rest] | ["trialmaker-predict", *rest]:
            settings.read(rest, {})
        case ["python", script, *_]:
            assert script in ("-c", "-") or Path(script).suffix == ".py"
        case [program, *_]:
            assert program in OTHERS, program


def check_tool(words: list[str]) -> None:
    """Parse what follows ``python -m trialmaker``."""
    context = click.Context(main.commands)
    command = main.commands.get_command(context, words[0])
    assert command, words[0]
    parsed = command.make_context(words[0], list(words[1:]), parent=context)
    if words[0] == "job":
        check_training(shlex.split(parsed.params["words"]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_legal(page: Path) -> None:
    resolvers.register()
    study_identity.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for example in commands(page):
            if not any("error:" in line for line in example.lines):
                check(words_of(example.command))


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert named <= targets


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            place, _, anchor = link.partition("#")
            target = page.parent / place if place else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_index_names_each_page() -> None:
    index = INDEX.read_text(encoding="utf-8")
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} == set(re.findall(r"\]\((\w+\.md)\)", index))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OWN_LENGTH], ids=lambda page: page.name)
def test_a_page_is_short_and_whole(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert 40 < len(lines) <= 200
    assert sum(line.startswith("```") for line in lines) % 2 == 0, "a block without its end is never run"


@pytest.mark.parametrize(
    ("shown", "printed", "result"),
    [
        (["epoch=1 loss=0.5", "…", "end"], ["epoch=2 loss=1e-05", "a", "b", "end"], ["epoch=2 loss=1e-05", "…", "end"]),
        (["run …/output/1, done"], ["run /tmp/x/output/12, done"], ["run …/output/1, done"]),
        (["id  6a8ffa9c4780", "───"], ["id 7981c49c6a134e56", "─────"], ["id 7981c49c6a134e56", "─────"]),
        (["one"], ["one", "two"], None),
        (["best epoch=1"], ["worst epoch=1"], None),
        ([], [], []),
    ],
)
def test_output_is_compared_loosely(shown: list[str], printed: list[str], result: list[str] | None) -> None:
    assert guides.align(shown, printed) == result


def test_a_page_is_run_and_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```console\n$ echo 1 > file\n$ cat file; pwd\n2\nfolder\n$ cat <<'END'\nab\nEND\n…\n```\n")
    (folder := tmp_path / "TrialMaker").mkdir()
    page = guides.Page(path, folder)
    text = page.run()
    assert text == "```console\n$ echo 1 > file\n$ cat file; pwd\n1\n…\n$ cat <<'END'\nab\nEND\n…\n```\n"
    assert [line for line in page.differences if line.startswith(("-f", "+…"))] == ["-folder", "+…"]


def test_a_server_ends_with_its_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```console\n$ echo ready; exec sleep 60 &\n```\n")
    (folder := tmp_path / "TrialMaker").mkdir()
    page = guides.Page(path, folder)
    assert "&\nready\n" in page.run()
    assert [server.poll() for server in page.servers] == [-15]


def test_the_script_shows_its_help() -> None:
    done = subprocess.run(
        [sys.executable, guides.__file__, "--help"], env=os.environ, capture_output=True, text=True, check=True
    )
    assert "--write" in done.stdout
