"""The table of a running study: what it shows, and that it fits, whatever the parameters are called."""

import sys
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.cells import cell_len

from optuna_sweep.live_table import table_lines, title_text
from optuna_sweep.progress import trial_text
from optuna_sweep.study import Study
from support.sweeping import APP, environment
from support.terminal import COLUMNS, CONTROL, run_on_terminal


def study_of(trials: list[FrozenTrial], *names: str, directions: int = 1) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = Study(
        InMemoryStorage(), "s", [StudyDirection.MAXIMIZE] * directions, len(trials), 0, optuna.pruners.NopPruner()
    )
    if names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is experimental
            study.study.set_metric_names(list(names))
    study.study.add_trials(trials)
    return study


def trial(values: list[float] | None, state: TrialState = TrialState.COMPLETE, **params: float | str) -> FrozenTrial:
    distributions = {
        name: optuna.distributions.FloatDistribution(0, 1)
        if isinstance(value, float)
        else optuna.distributions.CategoricalDistribution([value])
        for name, value in params.items()
    }
    reports = {} if values else {2: 0.25}
    return create_trial(
        state=state, values=values, params=params, distributions=distributions, intermediate_values=reports
    )


def shown(study: Study, width: int = 80, height: int = 20) -> list[str]:
    return [line.plain for line in table_lines(study, width, height)]


def test_a_line_a_trial_with_the_best_one_first() -> None:
    study = study_of(
        [
            trial([0.9], **{"optimizer.learning_rate": 0.00123456, "model.hidden_units": "[64,64]"}),
            trial(None, TrialState.PRUNED, **{"optimizer.learning_rate": 0.5, "model.hidden_units": "[8]"}),
            trial([0.8], **{"optimizer.learning_rate": 0.25, "model.hidden_units": "[8]"}),
        ],
        "val_accuracy",
    )
    assert shown(study) == [
        "trial   state     val_accuracy  learning_rate  hidden_units",
        "best 0  COMPLETE  0.9           0.001235       [64,64]",
        "0       COMPLETE  0.9           0.001235       [64,64]",
        "1       PRUNED    0.25          0.5            [8]",
        "2       COMPLETE  0.8           0.25           [8]",
    ]
    assert shown(study, height=5)[2:] == ["1       PRUNED    0.25          0.5            [8]",
                                          "2       COMPLETE  0.8           0.25           [8]"]  # fmt: skip
    assert trial_text(study, study.trials()[2]) == (
        "trial 2 COMPLETE val_accuracy=0.8 optimizer.learning_rate=0.25 model.hidden_units=[8]"
    )


def test_several_objectives_have_a_column_each_and_their_front_first() -> None:
    study = study_of([trial([0.9, 1.0], x=0.5), trial([0.8, 2.0], x=0.25), trial([0.7, 0.0], x=0.0)], directions=2)
    assert [line.split() for line in shown(study)] == [
        ["trial", "state", "value", "0", "value", "1", "x"],
        ["best", "0", "COMPLETE", "0.9", "1", "0.5"],
        ["best", "1", "COMPLETE", "0.8", "2", "0.25"],
        ["0", "COMPLETE", "0.9", "1", "0.5"],
        ["1", "COMPLETE", "0.8", "2", "0.25"],
        ["2", "COMPLETE", "0.7", "0", "0"],
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_nor_holds_control_characters(width: int) -> None:
    params = {f"group{number}.a_rather_long_name_{number}": "中文\x1b[31m\n" * 9 for number in range(8)}
    study = study_of([trial([0.1 / 3], **params) for _ in range(50)], "手写数字的准确率" * 3)
    lines = shown(study, width, height=22)
    assert len(lines) <= 22 and all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)
    assert lines[-1].startswith("not shown: ") and lines[-2].startswith("49 ")


@pytest.mark.parametrize(
    ("name", "width", "title"),
    [
        ("mlp_digits", 60, "study mlp_digits: 7 of 30 trials in 12 s; 40 s left"),
        ("a_study_of_a_long_name", 60, "study a_study_of_a_long_…: 7 of 30 trials in 12 s; 40 s left"),
        ("a_study_of_a_long_name", 40, "a_study_of_a_long_name: 7 of 30 trials"),
        ("a_study_of_a_long_name", 30, "a_study_of_a_…: 7 of 30 trials"),
        ("很长的研究的名字", 30, "很长的研究的…: 7 of 30 trials"),
        ("a_study_of_a_long_name", 20, "7 of 30 trials in 12 s; 40 s left"),
    ],
)
def test_the_title_of_a_narrow_terminal_keeps_the_counts(name: str, width: int, title: str) -> None:
    assert title_text(name, "7 of 30 trials", " in 12 s; 40 s left", width) == title


def test_a_study_on_a_terminal(tmp_path: Path) -> None:
    code, text = run_on_terminal(
        [
            sys.executable,
            str(APP),
            "-m",
            "hydra.sweeper.n_trials=30",
            "sleep=0.02",
            "hydra.job_logging.root.handlers=[]",
        ],
        environment(tmp_path),
    )
    assert code == 0, text
    drawn = [CONTROL.sub("", line).rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    last_table = drawn[len(drawn) - drawn[::-1].index(next(line for line in drawn[::-1] if "30 of 30" in line)) - 1 :]
    assert last_table[0].startswith("study study: 30 of 30 trials in ")
    assert last_table[1].split() == ["trial", "state", "square", "x"]
    numbers = [(line.split() or [""])[0] for line in last_table[3:]]
    assert last_table[2].startswith("best ") and numbers[: numbers.index("29") + 1] == list(map(str, range(11, 30)))
    assert all(len(line) < COLUMNS for line in last_table[: numbers.index("29")])
    assert "A new study" not in text and "finished with value" not in text  # Optuna's INFO
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is back
