"""README's commands work, and its examples say what the program says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT, Train
from support.servers import free_port, run_server
from trialmaker.cli.main import main

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
SHORT = ("training.max_examples=1000", "training.epochs=2")  # the same command, for a test's patience

NOT_UNDER_MAKE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AI_ROOT": str(root)}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("python train.py")])
def test_a_command_runs(line: str, train: Train, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = line.split()[1:]
    if "mnist" in line or "model=cnn" in line:
        mnist = request.getfixturevalue("real_mnist")
        (tmp_path / "input").mkdir()
        (tmp_path / "input" / "data").symlink_to(mnist)
        words += [word for word in SHORT if word.split("=")[0] not in line]
    if "sweeps" in line:
        words += ["data=digits", "hydra.sweeper.n_trials=3"]
    if "schedule" not in line and "experiment=mnist" in line:
        words.append("schedule=constant")
    result = train(*words[1:])
    assert result.code == 0, result.err
    if "sweeps" in line:
        (best,) = [line for line in COMMANDS if line.startswith("python -m trialmaker best")]
        done = run([sys.executable, *best.split()[1:]], tmp_path)
        assert done.returncode == 0 and done.stdout.startswith("python train.py sweeps=mlp"), done.stderr


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("python -m trialmaker job")])
def test_a_rehearsal_of_a_job_ends_with_a_model(line: str, tmp_path: Path, real_mnist: Path) -> None:
    words = [word.replace("workspace/input/data", str(real_mnist)) for word in shlex.split(line)[1:]]
    at = words.index("--args") + 1
    words[at] += " --max-examples 1000"
    done = run([sys.executable, *words, "--output", str(tmp_path / "jobs")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2].endswith("] FINISH / 已完成")
    assert (tmp_path / "jobs" / "V0001" / "model" / "1" / "saved_model.pb").exists()


def test_the_best_model_is_served_and_asked(published: Path) -> None:
    (serve,) = (line for line in COMMANDS if line.startswith("python predict.py"))
    (ask,) = (line for line in COMMANDS if line.startswith("python -m trialmaker request"))
    port = str(free_port())
    environment = os.environ | {"AI_ROOT": str(published.parent)}
    with run_server([sys.executable, *serve.split()[1:], "--port", port], published, environment):
        words = [sys.executable, *ask.split()[1:], "--url", f"http://127.0.0.1:{port}/ModelMaker/predict"]
        done = run(words, published.parent)
    assert done.returncode == 0, done.stderr
    truth = re.search(r"^ground truth: (.)$", done.stdout, re.MULTILINE)
    assert truth and re.search(rf"^prediction: {truth[1]} \(", done.stdout, re.MULTILINE)


def test_make_train_trains_on_the_embedded_digits(train: Train) -> None:
    """What ``make train`` runs, whole: the one command of a newcomer."""
    plan = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/runtime", "train"],
        cwd=PROJECT, env=NOT_UNDER_MAKE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = plan.stdout.split()
    assert words[:3] == [".venv/bin/python", "train.py", "data=digits"]
    done = train(*words[2:])
    assert done.code == 0, done.err
    accuracy = re.search(r"test_accuracy=([\d.]+)$", done.out, re.MULTILINE)
    assert accuracy and float(accuracy[1]) >= 0.97
    assert (done.output / "model" / "best.json").exists()


def test_outputs_are_compared(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands, on a folder of outputs."""
    ui, compare = (line.replace("workspace/jobs", str(jobs)).split() for line in COMMANDS if "workspace/jobs" in line)
    store = ["--store", str(tmp_path / "store")]
    assert compare[:3] == ["python", "-m", "trialmaker"] and main([*compare[3:], *store]) == 0
    assert re.search(r"^best of digits: .*\n(  .*\n)*  deploy: ", capsys.readouterr().out, re.MULTILINE)
    command = [sys.executable, *ui[1:], *store, "--port", str(free_port())]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        printed = list(iter(process.stdout.readline, "Ctrl-C ends it\n"))
        process.terminate()
    assert any(re.search(r"best 3 compared: http://127.0.0.1:\d+/#/compare-runs", line) for line in printed), printed


def test_its_pictures_are_there_and_small() -> None:
    pictures = [PROJECT / name for name in re.findall(r"!\[.*?\]\((.*?)\)", README)]
    assert len(pictures) == 2 and all(1_000 < picture.stat().st_size < 60_000 for picture in pictures)


def test_every_command_is_run_by_a_test() -> None:
    tested = ("python train.py", "python -m trialmaker job", "python -m trialmaker best")
    tested += ("python predict.py", "python -m trialmaker request")
    tested += ("python -m trialmaker ui workspace/jobs", "python -m trialmaker compare workspace/jobs")
    assert [line for line in COMMANDS if not line.startswith(tested)] == ["make train", "make test"]


def test_the_example_of_a_mistake(tmp_path: Path) -> None:
    command, *lines = re.findall(r"^(?:\$ python )?(train.py.*)$", README.partition("exit code 2")[2], re.MULTILINE)[:3]
    done = run([sys.executable, *command.split()], tmp_path)
    assert done.returncode == 2
    for said, written in zip(done.stderr.splitlines(), lines, strict=True):
        start, _, end = written.partition("…")
        assert said.startswith(start) and said.endswith(end)


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_its_map_names_every_room_and_every_place_that_it_sends_people_to() -> None:
    source = PROJECT / "src" / "trialmaker"
    text = README.partition("## Where things are")[2].partition("## Measured")[0]
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == {
        path.name for path in source.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    places = re.findall(r"`((?:\w+/)+[\w.]+\.py)`", text)
    assert len(places) >= 6 and all((source / place).is_file() for place in places)
    for constant, place in re.findall(r"`([A-Z]+)` in `([\w/.]+)`", text):
        assert f"\n{constant}" in (source / place).read_text()
