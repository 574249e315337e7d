"""Which study ``python -m trialmaker best`` means, where files hold several."""

from pathlib import Path

import optuna
import pytest

from optuna_sweep.attributes import OVERRIDES
from optuna_sweep.storage import open_storage
from trialmaker.cli.main import main

FILES = {"mlp": ["mlp", "mlp_digits"], "cnn": ["cnn_mnist"], "tradeoff": ["tradeoff_digits", "tradeoff_mnist"]}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with studies of one trial each, whose overrides are the study's name."""
    output = tmp_path_factory.mktemp("output")
    for file, names in FILES.items():
        storage = open_storage(str(output / "studies" / f"{file}.log"))
        for name in names:
            study = optuna.create_study(storage=storage, study_name=name)
            study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={OVERRIDES: [f"name={name}"]}))
    return output


@pytest.mark.parametrize(
    ("typed", "name", "remark"),
    [
        ("cnn", "cnn_mnist", ""),
        ("cnn_mnist", "cnn_mnist", ""),
        ("tradeoff_mnist", "tradeoff_mnist", ""),
        ("mlp_digits", "mlp_digits", ""),
        ("mlp", "mlp", "which holds mlp_digits too\n"),  # of an earlier version, whose studies had the file's name
        ("{}/studies/cnn.log", "cnn_mnist", ""),
        ("cnn --storage {}/studies/cnn.log", "cnn_mnist", ""),
    ],
)
def test_a_study_is_meant_by_its_name_or_by_that_of_its_file(
    typed: str, name: str, remark: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", *typed.format(output).split(), "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"python train.py name={name} hydra.mode=RUN\n" and printed.err.endswith(remark)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            "tradeoff",
            "tradeoff: {}/studies/tradeoff.log holds several studies, name one of them: tradeoff_digits",
        ),
        ("tradeoff --storage {}/studies/tradeoff.log", "tradeoff: {}/studies/tradeoff.log holds several studies, name"),
        ("nets", "nets: there is no study {}/studies/nets.log; there are: cnn_mnist, mlp, mlp_digits, tradeoff_digits"),
        ("mlp_mnist --storage {}/studies/mlp.log", "mlp_mnist: there is no such study in {}/studies/mlp.log"),
    ],
)
def test_a_name_that_means_none_or_several_is_refused(
    typed: str, line: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", *typed.format(output).split(), "--output", str(output)]) == 2
    assert f"error: {line.format(output)}" in capsys.readouterr().err
