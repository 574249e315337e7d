"""The entry as a process: its manual, its completion, and that answers come before TensorFlow does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT, Train
from support.waiting import HANG_SECONDS

HEAVY = {"tensorflow", "keras", "mlflow", "matplotlib", "sklearn", "pandas", "optuna"}
FORBIDDEN = f"import sys; late = {HEAVY} & set(sys.modules)"
WATCHED = f"import runpy, sys; sys.argv[0] = 'train.py'\ntry: runpy.run_path('train.py', run_name='__main__')\nfinally:\n {FORBIDDEN}; print('IMPORTED', sorted(late))"  # noqa: E501


def command(*arguments: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root)} | environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
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
    text = command("--help", root=tmp_path, COLUMNS="120").stdout
    for part in (
        "python train.py model=cnn optimizer=adamw training.epochs=5 seed=1",
        "  optimizer   adadelta, adagrad, adam, adamax, adamw, ftrl, lamb, lion, momentum, nadam, nesterov, rmsprop,",
        "  training.epochs          passes over the training examples",
        "  model.hidden_units       units of each hidden layer, input to output (mlp)",
        'eval "$(python train.py -sc install=bash)"',
        "--help all lists all fields",
    ):
        assert part in text
    assert len(text.splitlines()) < 65


@pytest.mark.parametrize(("topic", "count"), [("all", 8), ("schedule", 1), ("run", 1), ("study", 1)])
def test_the_help_of_a_topic_lists_its_fields_alone(topic: str, count: int, train: Train) -> None:
    text = train("--help", topic).out
    parts = ("schedule.warmup_epochs ", "training.epochs ", "optimizer.beta_2 ", "augment.scale ", "data.channels ")
    parts = (*parts, "hydra.sweeper.n_trials ", "checkpoint.every_seconds ", "model.pooling ")
    assert sum(f"  {part}" in text for part in parts) == count
    assert train(f"-h={topic}").out == text


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("train.py optimizer=ada", {"optimizer=adam", "optimizer=adamw"}),
        ("train.py training.ba", {"training.batch_size="}),
        ("train.py sweeps=m", {"sweeps=mlp"}),
        # runtime parameters in the platform's spelling, and synonyms
        ("train.py --model cnn --learning_rate 0.1 --opt", {"--opt", "--optimizer"}),
        ("train.py --model cnn --lr 0.1 optimizer.lear", {"optimizer.learning_rate="}),
        ("train.py --model ", {"cnn", "mlp"}),
        ("train.py --model=c", {"--model=cnn"}),
        ("train.py --arch cnn model.fil", {"model.filters."}),
        ("train.py --l", {"--lr", "--learning_rate"}),
        ("train.py --optimizer.lear", {"--optimizer.learning_rate"}),
        ("train.py --learning-r", {"--learning-rate"}),
        ("train.py --lr 0.1 --padding ", {"same", "valid"}),
        ("train.py --download f", {"false"}),
        ("train.py --batch_n", {"--batch_norm", "--batch_normalization"}),
        ("train.py arch=", {"arch=cnn", "arch=mlp"}),
        ("train.py lr=0.1 smooth", {"smoothing="}),
        ("train.py --modle 3 'a b' --swe", {"--sweeps"}),
    ],
)
def test_bash_completion(line: str, offered: set[str], tmp_path: Path) -> None:
    done = command("-sc", "query=bash", root=tmp_path, COMP_LINE=f"python {line}", COMP_POINT=str(len(line) + 7))
    assert done.returncode == 0 and offered <= set(done.stdout.split())
    assert done.stdout.splitlines()[-1] == "IMPORTED []"


@pytest.mark.parametrize(
    "entry",
    [
        "import runpy; sys.argv[:] = ['train.py', '--help']; runpy.run_path('train.py', run_name='__main__')",
        "from trialmaker.cli.main import main; main(['--help']); main(['compare', '--help'])",
        "from trialmaker.serving.main import main; main(['--help'])",
        "import trialmaker.experiment.startup, trialmaker.data.loading, trialmaker.tracking.process",
        "import trialmaker.experiment.study, trialmaker.experiment.run_messages, trialmaker.tracking.client",
    ],
)
def test_a_light_entry_imports_nothing_heavy_and_changes_nothing(entry: str, tmp_path: Path) -> None:
    code = f"""
import os, sys, threading
sys.path.insert(0, "src")
before = dict(os.environ)
try:
    {entry}
except SystemExit as end:
    assert not end.code
{FORBIDDEN}
assert not late, late
changed = {{name for name, value in os.environ.items() if before.get(name) != value}}
assert changed <= {{"HYDRA_FULL_ERROR"}} and threading.active_count() == 1, changed
"""
    environment = os.environ | {"AI_ROOT": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
