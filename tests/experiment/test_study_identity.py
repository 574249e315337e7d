"""A study is of one data set and one config: which commands go on with it, on which machine ever."""

from pathlib import Path

import numpy as np
import optuna
import pytest

from optuna_sweep.storage import open_storage
from support.entry import Result, Train
from trialmaker.cli.main import main

QUICK = ("sweeps=mlp", "training.batch_size=16", "model.hidden_units=[8]", "schedule=constant")
DRY = "hydra.sweeper.dry_run=true"


def make_mnist(folder: Path, seed: int) -> Path:
    """Write ``mnist.npz`` with 100 pictures of noise to train on, and 20 to test."""
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", 100), ("test", 20)):
        arrays[f"x_{part}"] = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count, dtype=np.uint8) % 10
    np.savez(folder / "mnist.npz", **arrays)
    return folder


def names(output: Path, file: str = "mlp") -> list[str]:
    return optuna.get_all_study_names(open_storage(str(output / "studies" / f"{file}.log")))


def trial_count(result: Result, name: str) -> int:
    storage = open_storage(str(result.output / "studies" / "mlp.log"))
    return len(optuna.load_study(study_name=name, storage=storage).trials)


def test_a_study_goes_on_with_its_own_data_and_config_alone(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = make_mnist(tmp_path / "input" / "data", seed=0)
    (tmp_path / "weights.keras").write_text("of another network")
    begun = train(*QUICK, "hydra.sweeper.n_trials=1")
    assert begun.code == 0, begun.err
    assert names(begun.output) == ["mlp_mnist"]

    other = make_mnist(tmp_path / "other", seed=1)
    for words, differences in (
        ([f"data.directory={other}"], "data_digest="),
        (["training.epochs=2"], "training.epochs=6, not 2"),
        (["optimizer.beta_1=interval(0.8,0.99)"], "optimizer.beta_1=0.9, not searched"),
        (["optimizer.learning_rate=0.1"], "optimizer.learning_rate searched, not 0.1"),
        ([f"init_model={tmp_path}/weights.keras"], "init_model_digest unset, not "),
        (["objective=val_loss", "direction=minimize"],
         "direction ['maximize'], not ['minimize']; direction=maximize, not minimize; objective=val_accuracy, not"),
        (["data=digits", "hydra.sweeper.study_name=mlp_mnist", "data.validation_fraction=0.1"],
         "data=mnist, not digits; data.test_fraction=0.15, not 0.2; data_digest="),
    ):  # fmt: skip
        done = train(*QUICK, *words, *([DRY] if "training.epochs=2" in words else []))
        assert done.code == 2 and "trial 0" not in done.out, done.out
        line = f"train.py: error: study mlp_mnist in {begun.output}/studies/mlp.log has {differences}"
        assert done.err.startswith(line), done.err
        assert done.err.endswith("; take another hydra.sweeper.study_name, or those values\n")
    assert trial_count(begun, "mlp_mnist") == 1

    moved = make_mnist(tmp_path / "elsewhere" / "data", seed=0)
    places = [f"data.directory={moved}", f"output={tmp_path}/second", "tracking.experiment=mine"]
    storage = f"hydra.sweeper.storage={begun.output}/studies/mlp.log"
    gone_on = train(*QUICK, *places, storage, "hydra.sweeper.n_trials=2", "training.max_seconds=500")
    assert gone_on.code == 0 and "1 of 2 trials are done" in gone_on.out, gone_on.err
    assert trial_count(begun, "mlp_mnist") == 2

    digits = train(*QUICK, "data=digits", "training.max_examples=64", "hydra.sweeper.n_trials=1")
    assert digits.code == 0 and "to go on with another one" not in digits.out  # it would be refused
    assert names(begun.output) == ["mlp_mnist", "mlp_digits"]
    output = ["--output", str(begun.output)]
    capsys.readouterr()
    assert main(["best", "mlp", *output]) == 2
    assert "mlp.log holds several studies, name one of them: mlp_mnist, mlp_digits\n" in capsys.readouterr().err
    assert main(["best", "mlp_digits", *output]) == 0 and "data=digits" in capsys.readouterr().out
    assert main(["best", "mlp", "--storage", str(begun.output / "studies" / "mlp.log"), *output]) == 2
    assert str(own) not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "file"),
    [
        ("", "mine_digits", "mine"),
        ("    study_name: named\n", "named", "mine"),
        ("    storage: ${output}/studies/stored.log\n", "mine_digits", "stored"),
    ],
)
def test_a_study_without_a_name_takes_that_of_its_file_and_data(
    text: str, name: str, file: str, train: Train, tmp_path: Path
) -> None:
    path = tmp_path / "input" / "config" / "sweeps" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\nhydra:\n  mode: MULTIRUN\n"
        f"  sweeper:\n    params: {{seed: 'range(0,3)'}}\n{text}"
    )
    result = train("sweeps=mine", "data=digits", DRY)
    assert f"study {name} in {result.output}/studies/{file}.log: 20 trials\n" in result.out, result.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data.directory=/nowhere"], "no data set: /nowhere is no readable folder"),
        (["data=digits", "init_model=/nowhere"], "init_model=/nowhere: there is no such file or folder\n"),
    ],
)
def test_what_cannot_be_read_is_said_before_the_first_trial(words: list[str], line: str, train: Train) -> None:
    result = train(*QUICK, *words)
    assert result.code == 2 and "trial 0" not in result.out + result.err
    assert result.err.startswith(f"train.py: error: {line}"), result.err
