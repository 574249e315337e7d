"""The fields of a study on the command line: their help, and what is said of a mistyped one."""

from pathlib import Path

import pytest

from support.entry import Train
from trialmaker.config import study_fields


def test_the_help_lists_each_field_of_a_study(train: Train) -> None:
    section = train("--help", "study").out.partition("Fields of a study (with sweeps=NAME):\n")[2]
    for name, meaning in study_fields.meanings().items():
        assert f"hydra.sweeper.{name}" in section.split() and meaning.split()[-1] in section
    assert "(in hydra-optuna-sweeper it is)" in " ".join(section.split())
    assert max(map(len, section.splitlines())) <= 118


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["hydra.sweeper.n_trails=3"], "hydra.sweeper.n_trails: there is no such field; did you mean n_trials?"),
        (["+hydra.sweeper.n_trails=3"], "hydra.sweeper.n_trails: there is no such field; did you mean n_trials?"),
        (["hydra.sweeper.search_space.x=3"],
         "hydra.sweeper.search_space: there is no such field; write params: x: interval(0.0, 1.0)"),
        (["+hydra.sweeper.search_space.x=3"],
         "hydra.sweeper.search_space: there is no such field; write params: x: interval(0.0, 1.0)"),
        (["hydra.sweeper.sampler.n_startup=3"],
         "hydra.sweeper.sampler.n_startup: there is no such argument; did you mean n_startup_trials?"),
        (["hydra.sweeper.params.seed=range(0,3)"],
         "hydra.sweeper.params.seed=range(0,3): write seed=range(0,3) itself"),
        (["hydra.sweeper.params.seed=3"], "hydra.sweeper.params.seed: write seed=… itself"),
        (["hydra.sweeper.n_trials=abc"],
         "hydra.sweeper.n_trials=abc: Value 'abc' of type 'str' could not be converted to Integer"),
        (["hydra.swepper.n_trials=3"], "hydra.swepper: there is no such field; did you mean hydra.sweeper?"),
    ],
)  # fmt: skip
def test_a_mistyped_field_is_refused_with_the_nearest_name(words: list[str], line: str, train: Train) -> None:
    result = train("sweeps=mlp", "data=digits", *words)
    assert (result.code, result.err) == (2, f"train.py: error: {line}\n")


def test_a_studys_field_without_a_study_is_said_to_be_one(train: Train) -> None:
    result = train("hydra.sweeper.n_trials=3")
    line = "hydra.sweeper.n_trials: is a field of studies: choose one, such as sweeps=mlp"
    assert (result.code, result.err) == (2, f"train.py: error: {line}\n")


def test_a_mistyped_field_in_a_file_is_named_with_the_file(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "input" / "config" / "sweeps" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    search_space: {seed: 'range(0,3)'}\n"
    )
    line = f"In {path}: hydra.sweeper.search_space: there is no such field; write params: x: interval(0.0, 1.0)"
    assert train("sweeps=mine", "data=digits").err == f"train.py: error: {line}\n"
