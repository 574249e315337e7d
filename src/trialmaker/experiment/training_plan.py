"""What a run's config says to the training loop."""

from dataclasses import asdict

import tensorflow as tf

from trialmaker.config.schema import Config
from trialmaker.training import schedules
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan


def training_plan(config: Config, examples: int, *, is_trial: bool) -> TrainingPlan:
    """Return the plan of a training on so many examples."""
    training = config.training
    schedule = schedules.schedule(
        **asdict(config.schedule),
        learning_rate=config.optimizer.learning_rate,
        steps_per_epoch=examples // training.batch_size,
        epochs=training.epochs,
    )
    return TrainingPlan(
        learning_rates=lambda steps: schedule(tf.constant(steps)).numpy(),
        objective=Objective(config.objective, config.direction),
        seed=config.seed,
        epochs=training.epochs,
        batch_size=training.batch_size,
        patience=training.patience,
        early_validation=training.early_validation if is_trial else None,
    )
