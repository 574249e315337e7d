"""``python -m trialmaker``: its help, the answers to what is mistyped, and completion in bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.cli.main import COMMANDS, main


def test_help_lists_every_command_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(len(line.split()) > 2 and len(line) <= 80 for line in listed)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == main([name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: trialmaker {name} ")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["comapre"], "No such command 'comapre'. Did you mean 'compare'?"),
        (["zebra"], "No such command 'zebra'."),
        (["prune", "--kepe", "3"], "No such option '--kepe'. (Did you mean one of: '--help', '--keep'?)"),
        (["prune", "--keep", "many"], "Invalid value for '--keep': 'many' is not a valid integer."),
        (["best"], "Missing argument 'STUDY'."),
        (["push", "V0001"], "Missing option '--to'."),
        (["request", "--index", "1", "--image", "a.png"],
         "--index 1: leave it out, or --image a.png: one picture is sent"),
        (["compare", "--html", "a.html", "--format", "csv"],
         "--html a.html: writes a page and prints no table: leave out --format csv"),
        (["prune", "--keep", "-1"], "--keep -1: must be at least 0"),
        (["ui", "--watch", "-1"], "--watch -1: must be more than 0"),
        (["ui", "--watch=0"], "--watch 0: must be more than 0 seconds"),
        (["compare", "--html", "--trials"], "Option '--html' requires an argument."),
        (["rerun", "a", "--data", "--dry-run"], "Option '--data' requires an argument."),
        (["prune", "--store"], "Option '--store' requires an argument."),
        (["best", "a", "--", "--write", "--seeds"], "Got unexpected extra arguments (--write --seeds)"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_way_on(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"trialmaker: error: {line}\n")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


COMPLETE = """
complete -F other python
eval "$({python} -m trialmaker completion)"
other() {{ COMPREPLY=(of-another-script); }}
try() {{
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _trialmaker_complete 2>/dev/null
    echo "${{COMPREPLY[*]}}"
}}
try {python} -m trialmaker pu
try {python} -m trialmaker compare --se
try {python} train.py optim
try {folder}/trialmaker pu
"""


def test_bash_completes_commands_and_options_and_leaves_other_scripts_alone(tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("needs bash: no such program is installed")
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    installed = tmp_path / "trialmaker"  # as a package's script does
    installed.write_text(f"#!{sys.executable}\nfrom trialmaker.cli.main import main\nmain()\n")
    installed.chmod(0o755)
    script = COMPLETE.format(python=sys.executable, folder=tmp_path)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=Path.home())
    assert done.stdout.splitlines() == ["push", "--seeds", "of-another-script", "push"], done.stderr


def test_options_as_input_methods_type_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["best", "——seeds＝0", "—output", str(tmp_path / "数－据"), "x"]) == 2
    notice, error = capsys.readouterr().err.splitlines()
    assert notice == "trialmaker: read ——seeds＝0 as --seeds=0, —output as --output"
    assert error == f"trialmaker: error: x: there is no study {tmp_path}/数－据/studies/x.log; there are: none"
