"""Groups of runs that differ only in their seed: a table and comparisons for each data set."""

import json

from support.runs import make_run
from trialmaker.analysis import seed_report
from trialmaker.analysis.store.runs import Run

RUNS = [
    *(make_run(f"a{seed}", 0.9 + seed / 100, seed=str(seed), model__hidden_units="[64]") for seed in range(3)),
    *(make_run(f"b{seed}", 0.8 + seed / 100, seed=str(seed), note=f"a text {seed}") for seed in range(3)),
    make_run("c0", 0.7, seed="7", optimizer__learning_rate="0.1"),
    make_run("d0", 0.6, seed="8", optimizer__learning_rate="0.2"),
    make_run("e0", 0.99, data__name="mnist"),
]
TEXT = """digits: 4 configurations, best
                                               learning_  hidden_
group    mean  spread  seeds  lowest  highest       rate  units
A      0.9100  0.0100      3  0.9000   0.9200      0.001  [64]
B      0.8100  0.0100      3  0.8000   0.8200      0.001
C      0.7000              1  0.7000   0.7000        0.1
D      0.6000              1  0.6000   0.6000        0.2
A is ahead of B by 0.1000 on 3 common seeds: may be chance (95 % interval
  +0.1000 to +0.1000, p = 1)
C, D have at most 1 seed in common with A: run them with the same seeds, at
  least 2

mnist: 1 configuration, best
group    mean  spread  seeds  lowest  highest
A      0.9900              1  0.9900   0.9900"""


def render(runs: list[Run], form: str) -> str:
    return seed_report.render(runs, "best", form, {}, 80)


def test_what_makes_the_groups_of_a_data_set_different() -> None:
    assert render(RUNS, "text") == TEXT


def test_programs_get_one_table() -> None:
    rows = json.loads(render(RUNS, "json"))
    assert [(row["data"], row["group"], row["seeds"]) for row in rows] == [
        *(("digits", "A", 3), ("digits", "B", 3), ("digits", "C", 1), ("digits", "D", 1)),
        ("mnist", "A", 1),
    ]
    assert rows[0]["configuration"] == "optimizer.learning_rate=0.001 model.hidden_units=[64]"
    assert "data" not in json.loads(render(RUNS[:7], "json"))[0]


def test_groups_of_another_objective_are_another_section() -> None:
    loss = {"objective": "val_loss", "direction": "minimize"}
    runs = [make_run("a", 0.9), make_run("b", 0.2, **loss), make_run("c", 0.1, training__epochs="9", **loss)]
    lines = [
        line for part in render(runs, "text").split("\n\n") for line in part.splitlines() if "A " in line or ":" in line
    ]
    assert [line.split()[:4] for line in lines[:2]] == [
        ["digits", "·", "val_accuracy", "(maximize):"],
        ["A", "0.9000", "1", "0.9000"],
    ]
    assert lines[2] == "digits · val_loss (minimize): 2 configurations, best"
    assert lines[3].split()[:2] == ["A", "0.1000"]
    assert [row["data"] for row in json.loads(render(runs, "json"))] == [
        "digits · val_accuracy (maximize)",
        *["digits · val_loss (minimize)"] * 2,
    ]
