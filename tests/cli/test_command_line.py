"""The entry as a process: its manual, its completion, and that answers come before TensorFlow does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT

FORBIDDEN = "import sys; late = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'sklearn', 'pandas'} & set(sys.modules)"
WATCHED = f"import runpy, sys; sys.argv[0] = 'train.py'\ntry: runpy.run_path('train.py', run_name='__main__')\nfinally:\n {FORBIDDEN}; print('IMPORTED', sorted(late))"  # noqa: E501


def command(*arguments: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--cfg", "job"], 0),
        (["modle=cnn"], 2),
        (["training.epochs=0"], 2),
        (["optimizer.momentum=1"], 2),
        (["data.directory=/nowhere"], 2),
        (["--cfg", "nothing"], 2),
    ],
)
def test_answers_need_no_heavy_import(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = command(*arguments, root=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-1] == "IMPORTED []"
    assert "Traceback" not in done.stderr


def test_help_is_a_manual(tmp_path: Path) -> None:
    text = command("--help", root=tmp_path).stdout
    for part in (
        "python train.py model=cnn optimizer=adamw training.epochs=5 seed=1",
        "    optimizer   adadelta, adagrad, adam, adamax, adamw, lamb, lion, momentum, nadam, nesterov, rmsprop, sgd",
        "    training.epochs                       passes over the training examples",
        "    model.hidden_units                    units of each hidden layer, input to output (mlp)",
        'eval "$(python train.py -sc install=bash)"',
    ):
        assert part in text


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("train.py optimizer=ada", {"optimizer=adam", "optimizer=adamw"}),
        ("train.py training.ba", {"training.batch_size="}),
    ],
)
def test_bash_completion(line: str, offered: set[str], tmp_path: Path) -> None:
    done = command("-sc", "query=bash", root=tmp_path, COMP_LINE=f"python {line}", COMP_POINT=str(len(line) + 7))
    assert offered <= set(done.stdout.split())


def test_importing_the_package_does_nothing_and_the_light_layers_stay_light() -> None:
    light = "errors platform.paths config.validation config.help config.arguments.translation training.events"
    light += " training.console_listener experiment.startup cli.train data.loading tracking.client tracking.messages"
    light += " tracking.process"
    code = f"""
import os, sys, threading
before = dict(os.environ)
sys.path.insert(0, "src")
for name in "{light}".split():
    __import__("trialmaker." + name)
{FORBIDDEN}
assert not late, late
assert dict(os.environ) == before and threading.active_count() == 1
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
