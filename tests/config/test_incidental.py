"""Which fields make no run different from another."""

import pytest

from trialmaker.config.fields import fields
from trialmaker.config.incidental import INCIDENTAL, common_words, is_among, is_incidental

FIELDS = {field.path for field in fields()}


def test_each_is_a_field_or_a_group_of_them() -> None:
    assert [one for one in INCIDENTAL if not any(is_among(path, [one]) for path in FIELDS)] == []


@pytest.mark.parametrize(
    "path",
    [
        "name",
        "tags.owner",
        "output",
        "tracking.uri",
        "data.directory",
        "init_model",
        "instances",
        "training.instance_index",
    ],
)
def test_what_decides_nothing_about_the_weights(path: str) -> None:
    assert is_incidental(path)


@pytest.mark.parametrize(
    "path", ["seed", "model.name", "data.name", "data.split_seed", "training.epochs", "training.log_every_steps"]
)
def test_what_decides_about_the_weights_or_the_log_lines(path: str) -> None:
    assert not is_incidental(path)


def test_a_command_for_all_instances_of_a_job_names_none() -> None:
    assert common_words(["seed=1", "training.instance_index=1", "++training.instance_index=0"]) == ["seed=1"]
