"""Several runs side by side: which is best, and what is a mean of what."""

import math

from trialmaker.platform.run_result import RunResult
from trialmaker.platform.run_summary import ComparedRun, summary_lines


def run(settings: str, value: float | None, test: float = 0.5, objective: str = "val_accuracy") -> ComparedRun:
    result = RunResult("python train.py", status="failed" if value is None else "finished", objective=objective)
    if value is not None:
        result.best_epoch, result.best_metrics = 3, {"loss": 9.0, objective: value}
        result.test_metrics = {"test_accuracy": test}
    pairs = (word.partition("=") for word in settings.split())
    return ComparedRun({name: text for name, _, text in pairs}, result, "logs/0")


def test_runs_that_differ_in_their_seed() -> None:
    runs = [run("data=digits seed=1", 0.9, 0.7), run("data=digits seed=2", 0.94, 0.8), run("data=digits seed=3", 0.92)]
    mean, deviation = (0.9 + 0.94 + 0.92) / 3, math.sqrt(2 * 0.02**2 / 2)
    assert f"{mean:.4f} ± {deviation:.4f}" == "0.9200 ± 0.0200"
    assert list(summary_lines(runs)) == [
        "3 runs, with the best epoch's val_accuracy and its weights' test metrics:",
        "seed  epoch  val_accuracy  test_accuracy",
        "   1      3        0.9000         0.7000",
        "   2      3        0.9400         0.8000",
        "   3      3        0.9200         0.5000",
        "mean ± sample standard deviation over the runs that differ only in their seed:",
        "runs     val_accuracy    test_accuracy",
        "   3  0.9200 ± 0.0200  0.6667 ± 0.1528",
        "best: seed=2 val_accuracy=0.9400 in logs/0",
    ]


def test_runs_of_two_models_with_two_seeds_one_of_which_failed() -> None:
    words = [("mlp", 1, 0.8), ("mlp", 2, 0.9), ("cnn", 1, 0.95), ("cnn", 2, None)]
    runs = [run(f"model={model} seed={seed}", value) for model, seed, value in words]
    assert list(summary_lines(runs))[1:] == [
        "model  seed    status  epoch  val_accuracy  test_accuracy",
        "  mlp     1  finished      3        0.8000         0.5000",
        "  mlp     2  finished      3        0.9000         0.5000",
        "  cnn     1  finished      3        0.9500         0.5000",
        "  cnn     2    failed",
        "mean ± sample standard deviation over the runs that differ only in their seed:",
        "model  runs     val_accuracy    test_accuracy",
        "  mlp     2  0.8500 ± 0.0707  0.5000 ± 0.0000",
        "  cnn     1           0.9500           0.5000",
        "best: model=cnn seed=1 val_accuracy=0.9500 in logs/0",
    ]


def test_runs_without_seeds_have_no_mean_and_a_loss_is_better_when_lower() -> None:
    runs = [run(f"training.epochs={epochs}", value, objective="val_loss") for epochs, value in ((1, 0.5), (2, 0.25))]
    lines = list(summary_lines(runs))
    assert len(lines) == 5 and lines[-1] == "best: training.epochs=2 val_loss=0.2500 in logs/0"


def test_runs_that_all_failed_have_a_line_each() -> None:
    assert list(summary_lines([run("seed=1", None), run("seed=2", None)])) == [
        "2 runs:",
        "seed  status  epoch",
        "   1  failed",
        "   2  failed",
    ]
