"""``compare``: what a person types and the table that they get; groups of seeds; the page."""

import csv
import io
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import Metric, Param
from scipy import stats

from support.entry import PROJECT
from support.outputs import store_in
from trialmaker.analysis import run_table, seed_statistics
from trialmaker.analysis.store.runs import Run
from trialmaker.cli import main

CONFIG = {
    "objective": "val_accuracy",
    "direction": "maximize",
    "model.name": "mlp",
    "training.epochs": "3",
    "output": "/x",
}


def add(
    client: object, name: str, *, status: str = "FINISHED", tags: dict | None = None, metrics: dict, **params: str
) -> str:
    """A run as TrialMaker records it: params with their dots, a value or a list of values an epoch for each metric."""
    run = client.create_run("0", run_name=name, start_time=1000, tags=tags or {}).info.run_id
    points = {key: value if isinstance(value, list) else [value] for key, value in metrics.items()}
    every = [Metric(key, value, 1, step) for key, values in points.items() for step, value in enumerate(values, 1)]
    named = {name.replace("__", "."): value for name, value in params.items()}
    client.log_batch(run, every, [Param(*item) for item in named.items()])
    if status != "RUNNING":
        client.set_terminated(run, status, 61_500)
    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configurations with three seeds each, and others that make trouble."""
    folder = tmp_path_factory.mktemp("compare") / "V0001"
    client = store_in(folder)
    for seed, (narrow, wide) in enumerate([(0.90, 0.93), (0.91, 0.945), (0.905, 0.935)]):
        for units, value in (("[8]", narrow), ("[64]", wide)):
            more = {"val_accuracy": [0.5, value], "val_loss": [1.0, 0.4], "best_val_accuracy": value}
            more |= {"test_accuracy": round(value - 0.01, 3), "learning_rate": 0.1}
            lr = {"optimizer__learning_rate": "0.001"}
            add(client, f"u{units} s{seed}", metrics=more, **CONFIG, model__hidden_units=units, seed=str(seed), **lr)
    add(client, "killed", status="KILLED", metrics={"val_accuracy": [0.95, 0.6, float("nan")]}, **CONFIG, seed="0")
    add(client, "failed", status="FAILED", metrics={}, **CONFIG, seed="0")
    add(client, "goes on", status="RUNNING", metrics={"val_accuracy": 0.4}, **CONFIG, seed="0")
    infinite = {"val_accuracy": [float("inf")], "best_val_accuracy": float("inf")}
    add(client, "1e5", metrics=infinite, **CONFIG, seed="9", note="a|b\nc" + "d" * 100)
    add(client, "foreign", metrics={"f1": 0.5}, lr="0.3")
    parent = add(client, "study", metrics={"best_val_accuracy": 0.97}, tags={"trialmaker.study": "mlp"})
    trial = {"tags": {"mlflow.parentRunId": parent}, "metrics": {"val_accuracy": 0.97, "best_val_accuracy": 0.97}}
    add(client, "trial", **trial, **CONFIG, seed="0")
    return folder


class Compared:
    def __init__(self, place: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.store, self.capsys = place, store, capsys

    def __call__(self, *words: str) -> str:
        code = main.main(["compare", str(self.place), "--store", str(self.store), *words])
        captured = self.capsys.readouterr()
        self.err = captured.err
        assert code == (2 if "error:" in captured.err else 0), captured.err
        return captured.out or captured.err

    def names(self, *words: str) -> list[str]:
        return [row["run"] for row in json.loads(self("--format", "json", *words))]


@pytest.fixture
def compare(place: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]) -> Compared:
    return Compared(place, tmp_path_factory.getbasetemp() / "compare-store", capsys)


def test_the_best_come_first_and_studies_are_one_row(compare: Compared) -> None:
    names = compare.names()
    assert names[:4] == ["study", "killed", "u[64] s1", "u[64] s2"]
    assert names[-4] == "goes on" and set(names[-3:]) == {"failed", "foreign", "1e5"}  # these have no best value
    assert "trial" not in names and "trial" in compare.names("--trials")


def test_a_row(compare: Compared) -> None:
    rows = {row["run"]: row for row in json.loads(compare("--format", "json"))}
    assert rows["u[64] s1"] | {"id": ""} == {
        "run": "u[64] s1",
        "status": "FINISHED",
        "best val_accuracy": 0.945,
        "test_accuracy": 0.935,
        "seconds": 60.5,
        "model.hidden_units": "[64]",
        "seed": 1,
        "optimizer.learning_rate": 0.001,
        "note": None,
        "objective": "val_accuracy",
        "direction": "maximize",
        "model.name": "mlp",
        "training.epochs": 3,
        "lr": None,
        "id": "",
    }
    assert rows["killed"]["best val_accuracy"] == 0.95  # of its history, since it was not told at its end
    assert rows["1e5"]["best val_accuracy"] is None  # infinite
    assert rows["goes on"]["seconds"] is None


def test_only_parameters_that_differ(compare: Compared) -> None:
    wanted = compare("--where", "hidden_units~[").splitlines()[0].split()
    assert wanted == ["run", "best", "val_accuracy", "test_accuracy", "seconds", "model.hidden_units", "seed", "id"]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (["test_accuracy>=0.93"], ["u[64] s1"]),
        (["test_accuracy >= 0.93"], ["u[64] s1"]),
        (["hidden_units=[8]", "seed!=0", "seed<2"], ["u[8] s1"]),
        (["hidden-units=[8]", "seed==2"], ["u[8] s2"]),
        (["status=KILLED"], ["killed"]),
        (["run~goes"], ["goes on"]),
        (["lr>0.1"], ["foreign"]),  # its own name, not our learning rate's other name
        (["run=1e5"], ["1e5"]),
        (["best>0.94", "status=FINISHED", "seed>-1"], ["u[64] s1"]),
    ],
)
def test_where(compare: Compared, conditions: list[str], names: list[str]) -> None:
    assert compare.names(*[word for condition in conditions for word in ("--where", condition)]) == names


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--where", "accuray>0.9"], "accuray: no run has such a column, metric or parameter; did you mean "),
        (
            ["--where", "accuracy"],
            "--where accuracy: expected NAME, one of = != < <= > >= ~ and a value, such as --where ",
        ),
        (["--where", "seed=>1"], "--where seed=>1: expected NAME, one of "),
        (["--where", "hidden_units>3"], "--where: no run is left of 12"),
        (["--sort", "nothing"], "nothing: no run has such a column, metric or parameter"),
        (["--seeds", "--html", "x.html"], "--seeds: makes a table of its own, sorted by the mean: leave out --html"),
        (["--seeds", "--where", "run=foreign"], "test_accuracy: no finished run with a seed has it"),
        (["--html", "/"], "--html /: is a directory: name a file in it"),
        (["--html", "/nowhere/x.html"], "--html /nowhere/x.html: cannot be written: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(compare: Compared, words: list[str], line: str) -> None:
    compare(*words)
    last = compare.err.splitlines()[-1]
    assert last.startswith(f"trialmaker: error: {line}")


def test_sorted(compare: Compared) -> None:
    only = ("--where", "hidden_units~[")
    assert compare.names(*only, "--sort", "test_accuracy")[0] == "u[8] s0"
    assert compare.names(*only, "--sort", "test_accuracy", "--descending")[0] == "u[64] s1"
    assert compare.names("--sort", "f1")[0] == "foreign"  # those without it come last
    assert "learning_rate" in compare(*only, "--sort", "learning_rate").splitlines()[0]  # what is sorted by is shown


def test_formats_can_be_read_back(compare: Compared) -> None:
    as_json = json.loads(compare("--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(compare("--format", "csv"))))
    assert [row["id"] for row in as_csv] == [row["id"] for row in as_json]
    assert as_csv[2]["best val_accuracy"] == str(as_json[2]["best val_accuracy"])
    assert next(row for row in as_csv if row["run"] == "1e5")["note"] == "a|b\nc" + "d" * 100
    markdown = compare("--format", "markdown").splitlines()
    assert len(markdown) == 2 + len(as_json)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in markdown} == {1 + len(as_json[0])}
    text = compare().splitlines()
    assert len(text) == 1 + len(as_json) and max(map(len, text)) < 300


def test_seeds(compare: Compared) -> None:
    out = compare("--seeds", "--where", "hidden_units~[")
    assert re.search(r"A +model.hidden_units=\[64\] +3 +0\.9267 ", out)
    differences = [0.03, 0.035, 0.03]
    p = stats.ttest_1samp(differences, 0).pvalue
    assert f"A is ahead of B by {statistics.mean(differences):.4f} on 3 common seeds: better than chance" in out
    assert f"p = {p:.2g})" in out
    (first, second) = json.loads(compare("--seeds", "--where", "hidden_units~[", "--format", "json"))
    assert second["p"] == pytest.approx(p) and first["p"] is None
    assert compare("--seeds").splitlines()[0] and "left out: 5 runs" in compare.err


def group(letter: str, values: dict[str, float]) -> seed_statistics.Group:
    return seed_statistics.Group(letter, letter, values)


@pytest.mark.parametrize(
    ("a", "b", "maximize", "said"),
    [
        ([0.9, 0.9], [0.8, 0.7], True, "A is ahead of B by 0.1500 on 2 common seeds: may be chance"),
        ([0.1, 0.2, 0.15], [0.3, 0.41, 0.35], False, "A is ahead of B by 0.2033 on 3 common seeds: better than chance"),
        ([0.9485, 0.9307], [0.9448, 0.927], True, "A is ahead of B by 0.0037 on 2 common seeds: may be chance"),
        ([0.9, 0.8], [0.9, 0.8], True, "A and B are equal on 2 common seeds"),
        ([0.9], [0.8], True, "A and B have 1 seed in common: run both with the same seeds, at least 2"),
        ([0.9], [], True, "A and B have no seed in common: run both with the same seeds, at least 2"),
        ([0.9, 0.91, 0.905, 0.99], [0.93, 0.9402, 0.9351], True, "B is ahead of A by 0.0301 on 3 common seeds: better"),
    ],
)
def test_verdicts(a: list[float], b: list[float], maximize: bool, said: str) -> None:
    pair = [
        group(letter, {str(at): value for at, value in enumerate(values)}) for letter, values in (("A", a), ("B", b))
    ]
    (comparison,) = seed_statistics.compare_with_best(pair, maximize=maximize)
    assert str(comparison).startswith(said)


def test_chance_is_called_better_than_chance_no_more_often_than_it_says() -> None:
    """Four configurations that do not differ: Holm keeps the share of studies with any false verdict at 5 %."""
    import numpy as np

    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        found = [
            group(name, {str(seed): value for seed, value in enumerate(random.normal(0.9, 0.01, 5))}) for name in "ABCD"
        ]
        found.sort(key=lambda one: -one.mean)
        wrong += any(one.p < seed_statistics.SIGNIFICANCE_LEVEL for one in seed_statistics.compare_with_best(found, maximize=True))
    assert wrong / 400 < 0.08


def test_directions_of_metrics() -> None:
    def run(direction: str) -> Run:
        return Run(
            "i", "n", "e", 1, "FINISHED", 0, 1, "", {"objective": "val_loss", "direction": direction}, {}, {}, 0.5
        )

    assert not seed_statistics.is_maximized("best", [run("minimize")])
    assert seed_statistics.is_maximized("test_accuracy", [run("minimize")])
    assert not seed_statistics.is_maximized("test_loss", []) and not seed_statistics.is_maximized("seconds", [])
    with pytest.raises(Exception, match="different objectives"):
        seed_statistics.is_maximized("best", [run("minimize"), run("maximize")])


def test_runs_of_one_objective_are_ranked_among_themselves() -> None:
    def run(name: str, objective: str, direction: str, best: float) -> Run:
        return Run(
            name, name, "e", 1, "FINISHED", 0, 1, "", {"objective": objective, "direction": direction}, {}, {}, best
        )

    runs = [run("a", "val_accuracy", "maximize", 0.9), run("b", "val_loss", "minimize", 0.01)]
    runs += [run("c", "val_loss", "minimize", 0.5), run("d", "val_accuracy", "maximize", 0.2)]
    assert [one.name for one in sorted(runs, key=lambda one: (one.peers, one.rank))] == ["a", "d", "b", "c"]


def test_whoever_reads_only_the_beginning_breaks_nothing(place: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m trialmaker compare {place} --store {tmp_path / 'store'} | true"
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_values_for_people() -> None:
    assert list(map(run_table.format_value, (0.5, 0.001, 1e-7, 128, None, "x", 0.0, 12.0))) == [
        *("0.5000", "0.001", "1e-07", "128", "", "x", "0.0000", "12.0000")
    ]
