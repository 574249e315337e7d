"""The config: what may be typed, and the exact answer to what may not."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from support.entry import SMALL, Train
from support.failures import causes
from trialmaker.config import fields, resolvers, sweep_files, validation
from trialmaker.config.arguments.translation import choices
from trialmaker.errors import UserError
from trialmaker.platform.paths import CONF


def composed(*overrides: str) -> DictConfig:
    resolvers.register()
    sweep_files.register(overrides)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


GROUPS = choices([CONF])
EVERY_CHOICE = [f"{group}={name}" for group, names in GROUPS.items() if group != "hydra" for name in names]


@pytest.mark.parametrize("choice", EVERY_CHOICE)
def test_every_choice_of_every_group_is_a_legal_config(choice: str) -> None:
    validation.load(composed(choice))


def test_yaml_files_and_dataclasses_name_the_same_fields() -> None:
    written = {
        f"{group}.{field}"
        for group in fields.GROUPS
        for file in (CONF / group).glob("*.yaml")
        for field in yaml.safe_load(file.read_text())
        if field != "name"
    }
    declared = {field.path for field in fields.fields() if field.path.partition(".")[0] in fields.GROUPS}
    assert written == declared


def test_every_field_has_a_meaning() -> None:
    assert [field.path for field in fields.fields() if len(field.meaning) < 10] == []


@pytest.mark.parametrize(
    ("overrides", "mistakes"),
    [
        (["training.epochs=0"], ["training.epochs=0: must be at least 1"]),
        (["training.epochs=1.5"], ["training.epochs=1.5: must be a whole number"]),
        (["training.epochs=true"], ["training.epochs=true: must be a whole number"]),
        (["optimizer.learning_rate=fast"], ['optimizer.learning_rate="fast": must be a number']),
        (["optimizer.learning_rate=0"], ["optimizer.learning_rate=0: must be more than 0"]),
        (["optimizer.learning_rate=inf"], ["optimizer.learning_rate=Infinity: must be a finite number"]),
        (["model.dropout_rate=1"], ["model.dropout_rate=1: must be less than 1"]),
        (["data.validation_fraction=0.9"], ["data.validation_fraction=0.9: must be at most 0.5"]),
        (["data.download=maybe"], ['data.download="maybe": must be true or false']),
        (["model.hidden_units=128"], ["model.hidden_units=128: must be a list, such as [128,64]"]),
        (["model.hidden_units=[128,0]"], ["model.hidden_units.1=0: must be at least 1"]),
        (["model=cnn", "model.filters=[]"], ["model.filters=[]: must have at least 1 entry"]),
        (["model.dropout_rate=fast"], ['model.dropout_rate="fast": must be a number, or a list of such']),
        (["model=cnn", "model.kernel_size=[3,99]"], ["model.kernel_size.1=99: must be at most 15"]),
        (["model=cnn", "model.kernel_size=[]"], ["model.kernel_size=[]: must have at least 1 entry"]),
        (
            ["model=cnn", "model.padding=[same,ful]"],
            ['model.padding.1="ful": must be one of same, valid'],
        ),
        (
            ["model=cnn", "model.filters=[8,16,32]", "model.kernel_size=[5,3]", "model.dropout_rate=[0.1]"],
            [
                "model.kernel_size=[5,3]: must be one value, or 3, one for each block of model.filters",
                "model.dropout_rate=[0.1]: must be one value, or 4, one for each block of model.filters and each layer"
                " of model.dense_units",
            ],
        ),
        (
            ["model.dropout_rate=[0.1,0.2,0.3]"],
            ["model.dropout_rate=[0.1,0.2,0.3]: must be one value, or 2, one for each layer of model.hidden_units"],
        ),
        (["tracking.experiment="], ['tracking.experiment="": must not be empty']),
        (
            ["model.activation=rellu"],
            [
                'model.activation="rellu": must be one of relu, leaky_relu, elu, selu, gelu, silu, mish, tanh, sigmoid;'
                " did you mean relu or elu or selu?"
            ],
        ),
        (["+model.depth=3"], ["model.depth: there is no such field"]),
        (["+model.pool_size=3"], ["model.pool_size: model=mlp has no such field; model=cnn has"]),
        (["~training.epochs"], ["training.epochs: must be given"]),
        (["seed=${sed}"], ["Interpolation key 'sed' not found full_key: seed object_type=dict"]),
        (
            ["schedule=cosine", "training.epochs=1"],
            [
                "schedule.warmup_epochs=1.0: must be less than training.epochs=1; train longer, warm up for less,"
                " or take schedule=constant"
            ],
        ),
        (
            ["optimizer=ftrl", "schedule=one_cycle", "optimizer.weight_decay=0.01"],
            [
                "schedule=one_cycle: with optimizer=ftrl, weights shrink as the learning rate does;"
                " take schedule=constant",
                "optimizer.weight_decay=0.01: optimizer=ftrl overwrites decayed weights;"
                " take optimizer.l2_regularization_strength",
            ],
        ),
        (
            ["optimizer=ftrl", "optimizer.initial_accumulator_value=0"],
            ["optimizer.initial_accumulator_value=0: must be more than 0"],
        ),
        (
            ["data=digits", "data.validation_fraction=0.5", "data.test_fraction=0.5"],
            ["data.validation_fraction and data.test_fraction: must add up to less than 1, but are 1"],
        ),
        (
            ["output='out?'"],
            ['output="out?": must not contain ? or %, which mean something in MLflow\'s address'],
        ),
        (["output="], ['output="": must not be empty']),
        (
            ["objective=val_loss"],
            ["direction=maximize: objective=val_loss asks for direction=minimize"],
        ),
        (
            [
                "training.epochs=0",
                "training.batch_size=-1",
                "seed=-3",
                "data.split_seed=1",
                "augment=shift",
                "augment.pixels=0",
            ],
            [
                "augment.pixels=0: must be at least 1",
                "training.epochs=0: must be at least 1",
                "training.batch_size=-1: must be at least 1",
                "seed=-3: must be at least 0",
            ],
        ),
    ],
)
def test_all_mistakes_are_reported_together(overrides: list[str], mistakes: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        validation.load(composed(*overrides))
    assert list(caught.value.mistakes) == mistakes


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["modle=cnn"], ["modle: there is no such field or group; did you mean model?"]),
        (["model=cnnn"], [f"model=cnnn: must be one of {', '.join(GROUPS['model'])}; did you mean cnn?"]),
        (["lerning_rate=1"], ["lerning_rate: there is no such field or group; did you mean optimizer.learning_rate?"]),
        (["zebra=1"], ["zebra: there is no such field or group; python train.py --help all lists them"]),
        (
            ["optimizer.momentum=0.9"],
            ["optimizer.momentum: the default optimizer has no momentum; sgd, rmsprop have it"],
        ),
        (["model=mlp", "model.filters=[8]"], ["model.filters: model=mlp has no filters; cnn has it"]),
        (
            ["optimizer=lion", "optimizer.rho=0.5"],
            ["optimizer.rho: optimizer=lion has no rho; rmsprop, adadelta have it"],
        ),
        (
            ["modle=cnn", "optimizer=adm", "training.epoch=3"],
            [
                "modle: there is no such field or group; did you mean model?",
                f"optimizer=adm: must be one of {', '.join(GROUPS['optimizer'])}; did you mean adam or nadam or adamw?",
                "training.epoch: there is no such field or group; did you mean training.epochs?",
            ],
        ),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(
    train: Train, arguments: list[str], lines: list[str]
) -> None:
    result = train(*arguments)
    assert (result.code, result.err.splitlines()) == (2, [f"train.py: error: {line}" for line in lines])
    assert {path.name for path in result.output.iterdir()} == {"failure", "index.html"}
    assert causes(result.output) == lines


@pytest.mark.parametrize("word", ["training.epochs", "a b=c", "model.hidden_units=[1", "=", "training.epochs=(1"])
def test_what_hydra_cannot_read_is_one_line(train: Train, word: str) -> None:
    result = train(word)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err


def test_a_mistake_in_a_value_ends_with_2_and_leaves_the_reason_alone_on_standard_error(train: Train) -> None:
    result = train(*SMALL, "training.epochs=0", "optimizer.learning_rate=-1")
    assert result.code == 2
    assert result.err.splitlines() == [
        "train.py: error: training.epochs=0: must be at least 1",
        "train.py: error: optimizer.learning_rate=-1: must be more than 0",
    ]


def test_configs_of_recipes_open_with_their_command() -> None:
    for path in sorted(Path(CONF, "experiment").glob("*.yaml")):
        head = path.read_text().splitlines()[1]
        assert head.startswith("# python train.py ") and f"experiment={path.stem}" in head


def test_a_message_shows_the_beginning_of_a_long_text() -> None:
    note, tag = "长" * 6000, "k" * 251
    with pytest.raises(UserError) as caught:
        validation.load(composed(f'note="{note}"'))
    assert caught.value.mistakes == (f'note="{"长" * 199}…: must have at most 5000 characters',)
    with pytest.raises(UserError) as caught:
        validation.load(composed(f"++tags={{{tag}: 1}}"))
    assert caught.value.mistakes == (f'tags.{"k" * 200}…="1": {validation.TAG_NAME_LAW}',)


def test_a_message_names_the_environment_variable_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_NAME", "bad\nname")
    with pytest.raises(UserError) as caught:
        validation.load(composed())
    law = "must be one line of printable characters"
    assert caught.value.mistakes == (f'name="bad\\nname" (MLFLOW_RUN_NAME): {law}',)
