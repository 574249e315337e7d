"""A batch size that is larger than the training examples: clipped with a line, in runs and in studies."""

from pathlib import Path

import pytest
import tensorflow as tf
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from optuna_sweep.trial import current_trial
from support.entry import Train
from support.instances import loopback_instances
from trialmaker.config import resolvers, validation
from trialmaker.errors import UserError
from trialmaker.experiment.batch_size import clip_to_examples
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances.team import Team
from trialmaker.platform import paths
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import Signals
from trialmaker.training.replicas import Replicas

CLIPPED = "training.batch_size=128 is more than the training examples: each step takes all 84"


@pytest.mark.parametrize(("examples", "lines", "effective"), [(84, [CLIPPED], "84"), (128, [], None), (129, [], None)])
def test_the_default_batch_is_clipped_to_few_examples(
    train: Train, examples: int, lines: list[str], effective: str | None
) -> None:
    words = ("model.hidden_units=[8]", "training.epochs=2", "training.batch_size=128", "schedule=one_cycle")
    result = train("data=digits", f"training.max_examples={examples}", *words)
    assert result.code == 0, result.err
    assert [line for line in result.out.splitlines() if "is more than" in line] == lines
    (run,) = result.runs()
    assert run.data.params["training.batch_size"] == "128"
    assert run.data.params.get("effective_batch_size") == effective


def test_a_study_says_so_once(train: Train) -> None:
    words = ("training.max_examples=84", "training.epochs=1", "model.hidden_units=[8]", "hydra.sweeper.n_trials=3")
    result = train("sweeps=mlp", "data=digits", *words)
    assert result.code == 0, result.err
    assert [line for line in result.out.splitlines() if "is more than" in line] == [CLIPPED]
    trials = [run for run in result.runs() if "mlflow.parentRunId" in run.data.tags]
    assert [run.data.params["effective_batch_size"] for run in trials] == ["84"] * 3


def test_each_instance_has_a_part_of_a_batch(tmp_path: Path) -> None:
    resolvers.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        config = validation.load(compose("config", [f"output={tmp_path}"]))
    team = Team(loopback_instances(3)[0], seconds=1)
    team.replicas = Replicas(tf.distribute.get_strategy(), 0, 3)
    context = RunContext(tmp_path, current_trial(), 0.0, Signals(), RunResult("train"), team=team)
    assert clip_to_examples(config, context, 3, None).training.batch_size == 3
    match = "3 instances: must be no more than the training examples, 2: use at most 2 of them"
    with pytest.raises(UserError, match=match):
        clip_to_examples(config, context, 2, None)
