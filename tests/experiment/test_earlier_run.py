"""What an earlier run's journal tells, whatever a kill, a stranger or another version has left there."""

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from support.entry import PROJECT
from trialmaker.config import resolvers, validation
from trialmaker.experiment.instances import decision
from trialmaker.experiment.resume.earlier_run import EarlierRun, earlier_runs
from trialmaker.experiment.resume.identity import Identity
from trialmaker.experiment.resume.resumption import Resumption
from trialmaker.platform.paths import CONF
from trialmaker.tracking.journal import Journal
from trialmaker.tracking.messages import Start

MINUTE = 1_700_000_040_000  # milliseconds since 1970


def earlier_run(output: Path, *records: dict[str, Any], **params: str) -> EarlierRun:
    """Return a run whose start is of that minute, and has these records behind it."""
    directory = output / "logs" / "run"
    directory.mkdir(parents=True)
    with closing(Journal(directory, output)) as journal:
        journal.append(Start(None, output, "e", "run", directory, PROJECT, params, "", 2.0))
    start = json.loads(journal.path.read_text()) | {"time": MINUTE}
    journal.path.write_text("".join(json.dumps(record) + "\n" for record in (start, *records)))
    (run,) = earlier_runs(output, "*")
    return run


def metrics(seconds: float, **values: Any) -> dict[str, Any]:
    return {"type": "metrics", "time": MINUTE + int(1000 * seconds), "step": 1, "values": {}, **values}


def attempt(seconds: float) -> dict[str, Any]:
    return metrics(seconds, type="attempt")


@pytest.mark.parametrize(
    ("records", "attempts", "started", "ended", "spent"),
    [
        ([], 1, 0, 0, 0.0),  # it was killed between the two
        ([metrics(5)], 1, 0, 5, 5.0),
        ([attempt(1), metrics(5), attempt(60), metrics(70)], 2, 1, 70, 14.0),
        ([attempt(1), attempt(60)], 2, 1, 60, 0.0),
        ([attempt(10), metrics(5)], 1, 10, 5, 0.0),  # the clock was set
        ([attempt(1), metrics(5), metrics(0, time=10**400), metrics(0, time=-1)], 1, 1, 5, 4.0),
    ],
)
def test_its_times(
    records: list[dict[str, Any]], attempts: int, started: int, ended: int, spent: float, tmp_path: Path
) -> None:
    run = earlier_run(tmp_path, *records)
    assert (run.attempts, run.spent_seconds) == (attempts, spent)
    assert datetime.fromisoformat(run.started_at).timestamp() == MINUTE / 1000 + started
    assert run.ended_at == f"{datetime.fromtimestamp(MINUTE / 1000 + ended):%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("params", "records", "precision"),
    [
        ({}, [], "float32"),  # of a version without the field
        ({"training.precision": "auto"}, [], ""),  # it was killed before it was known
        (
            {"training.precision": "auto"},
            [{"effective_batch_size": "7"}, {"effective_precision": "bfloat16"}],
            "bfloat16",
        ),
        ({"training.precision": "auto"}, [{"effective_precision": "float64"}, []], ""),
    ],
)
def test_its_precision_is_the_one_that_it_has_recorded_also_without_a_checkpoint(
    params: dict[str, str], records: list[Any], precision: str, tmp_path: Path
) -> None:
    run = earlier_run(tmp_path, *(metrics(1, type="params", values=values) for values in records), **params)
    with (tmp_path / "claim").open("w") as claim:
        resumption = Resumption(run, None, claim)
    assert resumption.precision == precision
    assert decision.unpacked(decision.packed(resumption)) == (None, precision)  # at another instance


def test_data_of_which_nothing_is_known_are_others(tmp_path: Path) -> None:
    run = earlier_run(tmp_path, metrics(1, type="data"))
    resolvers.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = validation.load(compose("config", ["data=digits"]))
    (line,) = Identity({}, {}, "").data_differences(run, config)
    assert line.endswith(": holds other data than it trained on")
