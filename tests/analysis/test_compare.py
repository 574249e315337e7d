"""``compare``: what a person types, and the table that they get."""

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

from support.entry import PROJECT
from support.outputs import create_store
from support.waiting import HANG_SECONDS
from trialmaker.analysis import run_table
from trialmaker.analysis.store.runs import Run
from trialmaker.cli.main import main
from trialmaker.cli.output_arguments import default_store

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
    """Record a run as TrialMaker does; each metric has one value or a list with a value for each epoch."""
    run = client.create_run("0", run_name=name, start_time=1000, tags=tags or {}).info.run_id
    points = {key: value if isinstance(value, list) else [value] for key, value in metrics.items()}
    values = [Metric(key, value, 1, step) for key, history in points.items() for step, value in enumerate(history, 1)]
    dotted = {name.replace("__", "."): value for name, value in params.items()}
    client.log_batch(run, values, [Param(*item) for item in dotted.items()])
    if status != "RUNNING":
        client.set_terminated(run, status, 61_500)
    return run


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record two configurations with three seeds each, and special cases."""
    folder = tmp_path_factory.mktemp("compare") / "V0001"
    client = create_store(folder)
    for seed, (narrow, wide) in enumerate([(0.90, 0.93), (0.91, 0.945), (0.905, 0.935)]):
        for units, value in (("[8]", narrow), ("[64]", wide)):
            metrics = {"val_accuracy": [0.5, value], "val_loss": [1.0, 0.4], "best_val_accuracy": value}
            metrics |= {"test_accuracy": round(value - 0.01, 3), "learning_rate": 0.1}
            lr = {"optimizer__learning_rate": "0.001"}
            add(client, f"u{units} s{seed}", metrics=metrics, **CONFIG, model__hidden_units=units, seed=str(seed), **lr)
    add(client, "killed", status="KILLED", metrics={"val_accuracy": [0.95, 0.6, float("nan")]}, **CONFIG, seed="0")
    add(client, "failed", status="FAILED", metrics={}, **CONFIG, seed="0")
    add(client, "goes on", status="RUNNING", metrics={"val_accuracy": 0.4}, **CONFIG, seed="0")
    described = {"team": "红队\x1b[31m\x9b", "mlflow.note.content": "why\nnot"}
    infinite = {"val_accuracy": [float("inf")], "best_val_accuracy": float("inf")}
    add(client, "1e5", metrics=infinite, **CONFIG, seed="9", tags=described, remark="a|b\nc" + "d" * 100)
    add(client, "foreign", metrics={"f1": 0.5}, lr="0.3")
    parent = add(client, "study", metrics={"best_val_accuracy": 0.97}, tags={"trialmaker.study": "mlp"})
    trial = {"tags": {"mlflow.parentRunId": parent}, "metrics": {"val_accuracy": 0.97, "best_val_accuracy": 0.97}}
    add(client, "trial", **trial, **CONFIG, seed="0")
    return folder


class CompareCommand:
    def __init__(self, output: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.output, self.store, self.capsys = output, store, capsys

    def __call__(self, *words: str) -> str:
        code = main(["compare", str(self.output), "--store", str(self.store), *words])
        captured = self.capsys.readouterr()
        self.err = captured.err
        assert code == (2 if "error:" in captured.err else 0), captured.err
        return captured.out or captured.err

    def names(self, *words: str) -> list[str]:
        return [row["run"] for row in json.loads(self("--format", "json", *words))]


@pytest.fixture
def compare(
    output: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> CompareCommand:
    return CompareCommand(output, tmp_path_factory.getbasetemp() / "compare-store", capsys)


def test_the_best_come_first_and_studies_are_one_row(compare: CompareCommand) -> None:
    names = compare.names()
    assert names[:4] == ["study: best of 1 trial", "killed", "u[64] s1", "u[64] s2"]
    assert names[-4] == "goes on" and set(names[-3:]) == {"failed", "foreign", "1e5"}  # without a best value
    assert "trial" not in names and "trial" in compare.names("--trials")


def test_a_row(compare: CompareCommand) -> None:
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
        "remark": None,
        "objective": "val_accuracy",
        "direction": "maximize",
        "model.name": "mlp",
        "training.epochs": 3,
        "lr": None,
        "team": None,
        "note": None,
        "id": "",
    }
    assert rows["killed"]["best val_accuracy"] == 0.95  # from its history, since a killed run records no best value
    assert rows["1e5"]["best val_accuracy"] is None  # infinite
    assert rows["goes on"]["seconds"] is None


def test_only_parameters_that_differ(compare: CompareCommand) -> None:
    (row, *_) = json.loads(compare("--where", "hidden_units~[", "--format", "json"))
    assert list(row) == ["run", "best val_accuracy", "test_accuracy", "seconds", "model.hidden_units", "seed", "id"]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (["test_accuracy>=0.93"], ["u[64] s1"]),
        (["test_accuracy >= 0.93"], ["u[64] s1"]),
        (["hidden_units=[8]", "seed!=0", "seed<2"], ["u[8] s1"]),
        (["hidden-units=[8]", "seed==2"], ["u[8] s2"]),
        (["status=KILLED"], ["killed"]),
        (["run~goes"], ["goes on"]),
        (["model=mlp", "test>0.93"], ["u[64] s1"]),  # as the table's headings name them
        (["lr>0.1"], ["foreign"]),  # a parameter's own name comes before a synonym
        (["run=1e5"], ["1e5"]),
        (["best>0.94", "status=FINISHED", "seed>-1"], ["study: best of 1 trial", "u[64] s1"]),
        (["note~why"], ["1e5"]),
    ],
)
def test_where(compare: CompareCommand, conditions: list[str], names: list[str]) -> None:
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
        (["--columns", "seed,sped"], "sped: no run has such a column, metric or parameter; did you mean seed?"),
        (["--seeds", "--columns", "seed"], "--seeds: makes a table of its own, sorted by the mean: leave out --html"),
        (["--seeds", "--html", "x.html"], "--seeds: makes a table of its own, sorted by the mean: leave out --html"),
        (["--seeds", "--where", "run=foreign"], "test_accuracy: no finished run with a seed has it"),
        (["--html", "/"], "--html /: is a directory: name a file in it"),
        (["--html", "/nowhere/x.html"], "--html /nowhere/x.html: cannot be written: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(compare: CompareCommand, words: list[str], line: str) -> None:
    compare(*words)
    last = compare.err.splitlines()[-1]
    assert last.startswith(f"trialmaker: error: {line}")


def test_sort(compare: CompareCommand) -> None:
    only = ("--where", "hidden_units~[")
    assert compare.names(*only, "--sort", "test_accuracy")[0] == "u[8] s0"
    assert compare.names(*only, "--sort", "test_accuracy", "--descending")[0] == "u[64] s1"
    assert compare.names("--sort", "f1")[0] == "foreign"  # runs without the metric come last
    assert "learning_" not in compare(*only) and "learning_" in compare(*only, "--sort", "learning_rate")


def test_formats_can_be_read_back(compare: CompareCommand) -> None:
    as_json = json.loads(compare("--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(compare("--format", "csv"))))
    assert [row["id"] for row in as_csv] == [row["id"] for row in as_json]
    assert as_csv[2]["best val_accuracy"] == str(as_json[2]["best val_accuracy"])
    described = next(row for row in as_csv if row["run"] == "1e5")
    assert described["remark"] == "a|b\nc" + "d" * 100
    assert (described["team"], described["note"]) == ("红队\x1b[31m\x9b", "why\nnot")
    assert (
        "\x9b" not in compare("--format", "json")
        and next(row for row in as_json if row["note"])["team"] == "红队\x1b[31m\x9b"
    )
    markdown = compare("--format", "markdown").splitlines()
    assert len(markdown) == 2 + len(as_json)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in markdown} == {1 + len(as_json[0])}


@pytest.mark.parametrize(
    "words", [[], ["--columns", "all"], ["--trials"], ["--format", "markdown"], ["--format", "latex"]]
)
def test_control_characters_are_escaped(words: list[str], compare: CompareCommand) -> None:
    out = compare(*words)
    assert out.replace("\n", "").isprintable() and ("红队" in out or words in ([], ["--trials"]))


def test_columns_are_chosen(compare: CompareCommand) -> None:
    words = ("--where", "hidden_units=[64]", "--columns", "seed,test_accuracy")
    rows = compare(*words).partition("\n\n")[0].splitlines()[1:]
    assert [row.split()[1:] for row in rows] == [
        ["run", "seed", "test"],
        ["u[64]", "s1", "1", "0.9350"],
        ["u[64]", "s2", "2", "0.9250"],
        ["u[64]", "s0", "0", "0.9200"],
    ]
    assert list(json.loads(compare(*words, "--format", "json"))[0]) == ["id", "run", "seed", "test_accuracy"]
    in_latex = compare(*words, "--format", "latex").splitlines()
    assert in_latex[1] == r"\begin{tabular}{llrr}" and in_latex[5].endswith(r" & u[64] s1 & 1 & 0.9350 \\")


def test_a_study_is_the_same_row_in_all_formats(compare: CompareCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (trial,) = [row for row in json.loads(compare("--trials", "--format", "json")) if row["run"] == "trial"]
    for form in ("json", "csv"):
        text = compare("--format", form)
        row = (json.loads(text) if form == "json" else list(csv.DictReader(io.StringIO(text))))[0]
        assert (row["run"], row["id"], row["model.name"]) == ("study: best of 1 trial", trial["id"], "mlp")
    assert f"| {trial['id']} |" in compare("--format", "markdown").splitlines()[2]
    assert compare().splitlines()[3].startswith(f"{trial['id']}  study: best of 1 trial ")


def test_named_columns_keep_to_the_width_and_all_columns_do_not(
    compare: CompareCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table = compare("--where", "run=1e5", "--columns", "note,remark,hidden_units,model.name,direction").splitlines()[:5]
    assert table[1:] == [
        "                                                  hidden_",
        "id        run  note     remark                      units",
        f"{table[3][:8]}  1e5  why not  a|b cdddddddddddddddddd…",
        "2 more: in a wider terminal",
    ]
    assert max(map(len, compare("--columns", "all").splitlines())) > 120


def test_markdown_is_no_html_and_a_backslash_leaves_the_cells_as_they_are() -> None:
    table = run_table.Table(["<b>"], [[r"<img src=x> a\|b & c"]])
    assert table.as_format("markdown").splitlines() == [
        "| &lt;b&gt; |",
        "| --- |",
        r"| &lt;img src=x&gt; a\\\|b &amp; c |",
    ]


SEEDS_AT_80 = """Default: 2 configurations, test_accuracy
                                               hidden_
group    mean  spread  seeds  lowest  highest  units
A      0.9267  0.0076      3  0.9200   0.9350  [64]
B      0.8950  0.0050      3  0.8900   0.9000  [8]
A is ahead of B by 0.0317 on 3 common seeds: better than chance (95 % interval
  +0.0245 to +0.0388, p = 0.0028)
"""


def test_seeds_on_a_terminal(compare: CompareCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert compare("--seeds", "--where", "hidden_units~[") == SEEDS_AT_80


def test_seeds(compare: CompareCommand) -> None:
    from scipy import stats  # half a second, which only this test needs

    out = compare("--seeds", "--where", "hidden_units~[")
    assert re.search(r"^A +0\.9267 .* \[64\]$", out, re.MULTILINE)
    differences = [0.03, 0.035, 0.03]
    p = stats.ttest_1samp(differences, 0).pvalue
    assert f"A is ahead of B by {statistics.mean(differences):.4f} on 3 common seeds: better than chance" in out
    assert f"p = {p:.2g})" in out
    (first, second) = json.loads(compare("--seeds", "--where", "hidden_units~[", "--format", "json"))
    assert second["p"] == pytest.approx(p) and first["p"] is None
    assert compare("--seeds").splitlines()[0] and "left out: 5 runs" in compare.err


def test_merged_stores_lie_in_the_root_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    assert default_store([]).parent == tmp_path / "comparisons"


def test_runs_of_one_objective_are_ranked_among_themselves() -> None:
    def run(name: str, objective: str, direction: str, best: float) -> Run:
        return Run(
            name, name, "e", 1, "FINISHED", 0, 1, "", {"objective": objective, "direction": direction}, {}, {}, best
        )

    runs = [run("a", "val_accuracy", "maximize", 0.9), run("b", "val_loss", "minimize", 0.01)]
    runs += [run("c", "val_loss", "minimize", 0.5), run("d", "val_accuracy", "maximize", 0.2)]
    assert [one.name for one in sorted(runs, key=lambda one: (one.peers, one.rank))] == ["a", "d", "b", "c"]


def test_a_run_that_records_no_objective_has_that_of_the_config() -> None:
    run = Run("i", "n", "e", 1, "FINISHED", 0, 1, "", {}, {}, {}, None)
    assert (run.objective.name, run.objective.direction) == ("val_accuracy", "maximize")


def test_a_reader_that_closes_the_pipe_early_causes_no_error(output: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m trialmaker compare {output} --store {tmp_path / 'store'} | true"
    process = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert process.stderr == ""


def test_format_value() -> None:
    assert list(map(run_table.format_value, (0.5, 0.001, 1e-7, 128, None, "x", 0.0, 12.0))) == [
        *("0.5000", "0.001", "1e-07", "128", "", "x", "0.0000", "12.0000")
    ]
