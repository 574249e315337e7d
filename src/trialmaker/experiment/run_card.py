"""What ``best.json`` says of a model that a run trained."""

from collections.abc import Mapping

from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.model_store.card import Card


def run_card(
    config: Config,
    dataset: Dataset,
    *,
    epoch: int = 0,
    metrics: Mapping[str, float] | None = None,
    study: str | None = None,
    stopped_by: str | None = None,
) -> Card:
    """Return the card of an epoch's model, still without the run's id and key.

    Args:
        config: the run's.
        dataset: the whole one, so that runs on a part of the training examples compare.
        epoch: counted from 1; 0 for a card that only says what its model would be compared with.
        metrics: the epoch's.
        study: of which the run is a trial.
        stopped_by: why the epoch ended early; None for a whole one.
    """
    return Card(
        run_id="",
        model=config.model.name,
        data=dataset.name,
        data_digest=dataset.digest,
        validation_digest=dataset.validation_digest,
        objective=config.objective,
        direction=config.direction,
        epoch=epoch,
        metrics=metrics or {},
        study=study or "",
        stopped_by=stopped_by or "",
    )
