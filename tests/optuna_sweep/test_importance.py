"""The trials on which importances and plots rest: completed ones, and pruned ones by their last report."""

import math
import subprocess
import sys

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_sweep.importance import MIN_TRIALS, counted_study, counts_text, importances, trial_counts

MAXIMIZE, MINIMIZE = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
SPACE = {"rate": FloatDistribution(0.0, 1.0), "noise": CategoricalDistribution(["a", "b"])}


def trial(rate: float, noise: str, value: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """Return a trial that reached a value: in its third epoch, or in the second, in which it was pruned."""
    is_pruned = state == TrialState.PRUNED
    return create_trial(
        state=state,
        value=None if is_pruned else value,
        params={"rate": rate, "noise": noise},
        distributions=SPACE,
        intermediate_values={1: 0.0, 2: value} if is_pruned else {1: 0.0, 2: 0.1, 3: value},
    )


@pytest.fixture
def trials() -> list[FrozenTrial]:
    """Twelve trials whose value is their rate; of each three, two were pruned."""
    ends = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]
    return [trial(at / 12, "ab"[at % 2], at / 12, ends[at % 3]) for at in range(12)]


def test_pruned_trials_count_by_their_last_value(trials: list[FrozenTrial]) -> None:
    study = counted_study(trials, [MAXIMIZE])
    assert [one.value for one in study.trials] == [at / 12 for at in range(12)]
    assert [one.params for one in study.trials] == [one.params for one in trials]
    assert trial_counts(study) == (12, 8)
    assert counts_text(study) == "12 trials, 8 of them pruned, which count by their last value"
    complete = optuna.create_study(direction="maximize")
    complete.add_trials([trial(at / 12, "ab"[at % 2], at / 12) for at in range(12)])
    expected = optuna.importance.get_param_importances(complete)
    assert importances(study) == pytest.approx(expected) and expected["rate"] > 0.9
    assert list(importances(study)) == ["rate", "noise"]


def test_importances_do_without_scikit_learn_whose_import_takes_a_second() -> None:
    code = "import optuna_sweep.importance, sys; print({'sklearn', 'scipy', 'pandas'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_trials_without_a_value_keep_their_numbers_alone() -> None:
    rows = [
        create_trial(state=TrialState.FAIL),
        create_trial(state=TrialState.PRUNED),  # before its first report
        create_trial(state=TrialState.WAITING),
        trial(0.5, "a", 0.5),
        trial(0.5, "a", math.nan, TrialState.PRUNED),
    ]
    study = counted_study(rows, [MINIMIZE])
    assert [one.state.name for one in study.trials] == ["FAIL", "FAIL", "FAIL", "COMPLETE", "FAIL"]
    assert counts_text(study) == "1 trials"


def test_few_trials_show_chance(trials: list[FrozenTrial]) -> None:
    assert importances(counted_study(trials[: MIN_TRIALS - 1], [MAXIMIZE])) == {}
    assert set(importances(counted_study(trials[:MIN_TRIALS], [MAXIMIZE]))) == {"rate", "noise"}
    assert importances(counted_study([trial(0.5, "a", 0.5)] * MIN_TRIALS, [MAXIMIZE])) == {}  # nothing varies


def test_the_front_of_several_objectives_has_importances() -> None:
    study = counted_study(
        [create_trial(values=[at / 12, -at / 12], params={"rate": at / 12}, distributions={"rate": SPACE["rate"]})
         for at in range(12)],
        [MAXIMIZE, MINIMIZE],
    )  # fmt: skip
    assert importances(study) == {"rate": 1.0}
