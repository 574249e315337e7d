"""Runtime parameters: what is typed, what Hydra is given, and the exact answer to what cannot be."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra

from trialmaker.config import fields, resolvers, validation
from trialmaker.config.arguments import translation
from trialmaker.config.arguments.foreign_words import HINTS, SYNONYMS
from trialmaker.config.arguments.names import Names
from trialmaker.errors import MAX_SHOWN_CHARACTERS, UserError
from trialmaker.experiment.run_messages import comparison_advice
from trialmaker.platform.paths import CONF, PROJECT

GROUPS = translation.choices([CONF])
MODELS = ", ".join(GROUPS["model"])
OPTIMIZERS = ", ".join(GROUPS["optimizer"])
ACTIVATIONS = "relu, leaky_relu, elu, selu, gelu, silu, mish, tanh, sigmoid"
NO_NAME = "there is no such field or group"
TOPICS = "all, data, model, optimizer, schedule, augment, training, run, study"
MANUAL = "python train.py --help all lists them"
STRAY = (
    "is neither a parameter nor the value of one; write --name value, --name=value or name=value;"
    " a list is one word, such as 128,64"
)
SEVERAL = "for several runs, one after another, add -m"


def translate(line: str, *conf: Path) -> list[str]:
    """What Hydra is given for what a shell's line says."""
    return translation.translate(shlex.split(line), [CONF, *conf])


def mistakes(line: str, *conf: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        translate(line, *conf)
    return list(caught.value.mistakes)


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("", []),
        ("'' model=cnn ''", ["model=cnn"]),
        # five spellings
        ("--epochs 3", ["training.epochs=3"]),
        ("--epochs=3", ["training.epochs=3"]),
        ("-epochs 3", ["training.epochs=3"]),
        ("-epochs=3", ["training.epochs=3"]),
        ("epochs=3", ["training.epochs=3"]),
        # names: group, path, last part, synonym; - is _
        ("--model cnn", ["model=cnn"]),
        ("--experiment mnist_cnn", ["experiment=mnist_cnn"]),
        ("--optimizer.learning_rate 0.1", ["optimizer.learning_rate=0.1"]),
        ("--learning-rate 0.1", ["optimizer.learning_rate=0.1"]),
        ("--optimizer.learning-rate=0.1", ["optimizer.learning_rate=0.1"]),
        ("batch-size=8", ["training.batch_size=8"]),
        ("--lr 1e-3 --bs 256 --arch cnn --hidden 8", [
            "optimizer.learning_rate=0.001", "training.batch_size=256", "model=cnn", "model.hidden_units=[8]",
        ]),
        # booleans
        ("--download", ["data.download=true"]),
        ("--download YES --nesterov Off", ["data.download=true", "optimizer.nesterov=false"]),
        ("--download --epochs 3", ["data.download=true", "training.epochs=3"]),
        ("--download epochs=3", ["data.download=true", "training.epochs=3"]),
        ("--download=0 batch_norm=on", ["data.download=false", "model.batch_norm=true"]),
        ("--xla", ["training.jit_compile=true"]),
        ("--xla null", ["training.jit_compile=null"]),
        # numbers
        ("--epochs 1e3 --seed +5 --batch_size 2.0", ["training.epochs=1000", "seed=5", "training.batch_size=2"]),
        ("--lr .5 --weight_decay 1", ["optimizer.learning_rate=0.5", "optimizer.weight_decay=1.0"]),
        ("--pixels 2", ["augment.pixels=2"]),
        ("--pixels 2.5", ["augment.pixels=2.5"]),
        # no value: the default
        ("--patience none --max_seconds '' --uri NULL", [
            "training.patience=null", "training.max_seconds=null", "tracking.uri=null",
        ]),
        ("--uri= tracking.uri=None", ["tracking.uri=null"]),
        ("--experiment none --model '' schedule=null", []),
        ("experiment=null", ["experiment=null"]),
        ("--augment none", ["augment=none"]),
        # lists
        ("--hidden_units 128,64", ["model.hidden_units=[128,64]"]),
        ("--hidden_units '[128, 64]'", ["model.hidden_units=[128,64]"]),
        ("--hidden_units '128 64'", ["model.hidden_units=[128,64]"]),
        ("--hidden_units '(128,)'", ["model.hidden_units=[128]"]),
        ("--hidden_units '128, 64, '", ["model.hidden_units=[128,64]"]),
        ("--hidden_units '\"[128, 64]\"'", ["model.hidden_units=[128,64]"]),
        ("--hidden_units '[\"128\", 64.0]'", ["model.hidden_units=[128,64]"]),
        ("--hidden_units 128", ["model.hidden_units=[128]"]),
        ("--hidden_units []", ["model.hidden_units=[]"]),
        ("--hidden_units ''", ["model.hidden_units=[]"]),
        ("model.hidden_units=128,64", ["model.hidden_units=[128,64]"]),
        # one value for all layers, or a list; of several runs it is only a list in brackets
        ("--kernel_size 5", ["model.kernel_size=5"]),
        ("--kernel_size 5,3", ["model.kernel_size=[5,3]"]),
        ("--kernel_size '5 3'", ["model.kernel_size=[5,3]"]),
        ("--kernel-size=[5.0,3]", ["model.kernel_size=[5,3]"]),
        ("--kernel_size 5,", ["model.kernel_size=[5]"]),
        ("model.kernel_size=5,3", ["model.kernel_size=[5,3]"]),
        ("model.kernel_size=[5,3]", ["model.kernel_size=[5,3]"]),
        ("--padding same,valid --pooling '[\"none\", \"max\"]'", [
            "model.padding=[same,valid]", 'model.pooling=["none",max]',
        ]),
        ("--pooling none", ['model.pooling="none"']),
        ("--dropout 0,.25", ["model.dropout_rate=[0.0,0.25]"]),
        ("-m --kernel_size 5,3 --dropout 0.1,0.2", ["-m", "model.kernel_size=5,3", "model.dropout_rate=0.1,0.2"]),
        ("-m --kernel_size [5,3]", ["-m", "model.kernel_size=[5,3]"]),
        ("-m --kernel_size [5,3],3", ["-m", "model.kernel_size=[5,3],3"]),
        ("--mirrors http://a/,http://b/?x=1", ['data.mirrors=["http://a/","http://b/?x=1"]']),
        ("--mirrors \"['a b', 'c,d']\"", ['data.mirrors=["a b","c,d"]']),
        ("--mirrors \"'a,b', 'c'\"", ['data.mirrors=["a,b",c]']),
        ("--mirrors '[a, b]'", ["data.mirrors=[a,b]"]),
        # texts
        ("--experiment_name 'Zahlen (neu), a=b'", ['tracking.experiment="Zahlen (neu), a=b"']),
        ("--experiment_name 手写数字", ['tracking.experiment="手写数字"']),
        ("--experiment_name lr=3", ['tracking.experiment="lr=3"']),
        ("--experiment_name -5", ['tracking.experiment="-5"']),
        ("--experiment_name --dashed", ['tracking.experiment="--dashed"']),
        ("--experiment_name '${seed}'", ['tracking.experiment="\\${seed}"']),
        ("--experiment_name 'a\"b'", ['tracking.experiment="a\\"b"']),
        ("--experiment_name '\"adam\"'", ["tracking.experiment=adam"]),
        ("--experiment_name \"'a b'\"", ['tracking.experiment="a b"']),
        ("--experiment_name null", ['tracking.experiment="null"']),
        ("--experiment_name 1", ['tracking.experiment="1"']),
        ("--data_dir C:\\\\new", ['data.directory="C:\\new"']),
        ("--optimizer '\"adam\"' --lr '\"0.1\"'", ["optimizer=adam", "optimizer.learning_rate=0.1"]),
        ("--channels 3.0 --padding same", ["data.channels=3", "model.padding=same"]),
        # name=value that Hydra reads as the field's type is left alone
        ("tracking.experiment='a b'", ["tracking.experiment=a b"]),
        ("tracking.experiment=\"'a b'\"", ["tracking.experiment='a b'"]),
        ("tracking.experiment=${data.name}_x seed=${x}", ["tracking.experiment=${data.name}_x", "seed=${x}"]),
        ("'model.hidden_units=[ 128,64]'", ["model.hidden_units=[ 128,64]"]),
        ("training.epochs=1_000", ["training.epochs=1_000"]),
        ("'training={epochs: 3}'", ["training={epochs: 3}"]),
        # and is read as a runtime parameter where it does not
        ("tracking.experiment='Zahlen (neu'", ['tracking.experiment="Zahlen (neu"']),
        ("tracking.experiment=1 data.download=yes", ['tracking.experiment="1"', "data.download=true"]),
        ("tracking.experiment=a,b training.epochs=2.0", ['tracking.experiment="a,b"', "training.epochs=2"]),
        ("output=null", ['output="null"']),
        # the same twice
        ("--lr 0.1 optimizer.learning_rate=.1 --learning-rate=1e-1", ["optimizer.learning_rate=0.1"]),
        ("--model cnn model=cnn", ["model=cnn"]),
        # Hydra's own
        ("+x=1 ++model.y=2 ~hydra.job.x ~experiment", ["+x=1", "++model.y=2", "~hydra.job.x", "~experiment"]),
        ("hydra.verbose=true hydra/launcher=basic", ["hydra.verbose=true", "hydra/launcher=basic"]),
        ("optimizer@other=adam", ["optimizer@other=adam"]),
        ("--hydra.run.dir '${output}/x'", ["hydra.run.dir=${output}/x"]),
        ("--hydra.run.dir=a,b", ['hydra.run.dir="a,b"']),
        # text that Hydra's grammar would refuse
        ("hydra.sweeper.study_name=很长的名字", ['hydra.sweeper.study_name="很长的名字"']),
        ("++hydra.sweeper.storage='sqlite:////数据/a b.db'", ['++hydra.sweeper.storage="sqlite:////数据/a b.db"']),
        ("hydra.sweeper.study_name=mlp_${data.name}", ["hydra.sweeper.study_name=mlp_${data.name}"]),
        ("seed=1 -m model=cnn,mlp", ["-m", "seed=1", "model=cnn,mlp"]),
        ("--multirun seed=range(1,3) lr=0.1,0.2", ["--multirun", "seed=range(1,3)", "optimizer.learning_rate=0.1,0.2"]),
        ("-m --seed 1,2 --model cnn,mlp", ["-m", "seed=1,2", "model=cnn,mlp"]),
        ("-m --hidden_units 128,64", ["-m", "model.hidden_units=[128,64]"]),
        ("-m model.hidden_units=[8],[16]", ["-m", "model.hidden_units=[8],[16]"]),
        ("--hydra.mode MULTIRUN seed=1,2", ["hydra.mode=MULTIRUN", "seed=1,2"]),
        ("-m optimizer=glob(ada*)", ["-m", "optimizer=glob(ada*)"]),
        ("--cfg job --resolve -p model seed=1", ["--cfg", "job", "--resolve", "-p", "model", "seed=1"]),
        ("--cfg=job", ["--cfg=job"]),
        ("-c all -cn config -cd . -cp=x", ["-c", "all", "-cn", "config", "-cd", ".", "-cp=x"]),
        ("-i seed=1", ["-i", "all", "seed=1"]),
        ("-i defaults seed=1", ["-i", "defaults", "seed=1"]),
        ("--help", ["--help"]),
        ("--help model", ["--help", "hydra.help.template=${manual:model}"]),
        ("--help sweeps=mlp", ["--help", "sweeps=mlp"]),
        ("--hydra-help -r", ["--hydra-help", "-r"]),
        ("-sc query=bash", ["-sc", "query=bash"]),
        ("--experimental-rerun x.pickle", ["--experimental-rerun", "x.pickle"]),
    ],
)  # fmt: skip
def test_what_hydra_is_given(typed: str, given: list[str]) -> None:
    assert translate(typed) == given


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("--modle cnn", [f"--modle cnn: {NO_NAME}; did you mean model?"]),
        ("--modle=cnn", [f"--modle=cnn: {NO_NAME}; did you mean model?"]),
        ("-modle", [f"-modle: {NO_NAME}; did you mean model?"]),
        ("modle=cnn", [f"modle: {NO_NAME}; did you mean model?"]),
        ("--zebra -0.1", [f"--zebra -0.1: {NO_NAME}; {MANUAL}"]),
        ("--zebra --epochs 0", [f"--zebra: {NO_NAME}; {MANUAL}", "--epochs 0: must be at least 1"]),
        ("--zebra epochs=0", [f"--zebra: {NO_NAME}; {MANUAL}", "epochs=0: must be at least 1"]),
        ("--epocs 3", [f"--epocs 3: {NO_NAME}; did you mean training.epochs?"]),
        ("--trainng.epochs 3", [f"--trainng.epochs 3: {NO_NAME}; did you mean training.epochs?"]),
        ("--fraction 1", [
            f"--fraction 1: {NO_NAME}; did you mean data.validation_fraction or data.test_fraction or"
            " schedule.final_fraction?",
        ]),
        ("--training 3", [
            "--training 3: must be one field, such as training.epochs or training.batch_size or"
            " training.label_smoothing or training.max_examples",
        ]),
        # Hydra's parser would take these for flags
        ("--mult", [f"--mult: {NO_NAME}; did you mean --multirun?"]),
        ("--hel", [f"--hel: {NO_NAME}; did you mean --help?"]),
        ("--conf x", [f"--conf x: {NO_NAME}; did you mean --config-dir or --config-name or --config-path?"]),
        ("--run", [f"--run: {NO_NAME}; did you mean -r?"]),
        ("--info all", [f"--info all: {NO_NAME}; did you mean -i?"]),
        ("--package=x", [f"--package=x: {NO_NAME}; did you mean -p?"]),
        ("--cfg", ["--cfg: needs a value: one of job, hydra, all"]),
        ("--cfg nothing", ["--cfg nothing: must be one of job, hydra, all"]),
        ("-i=x", ["-i=x: must be one of all, config, defaults, defaults-tree, plugins, searchpath"]),
        ("--config-dir --lr 1", ["--config-dir: needs a value: a name or a path"]),
        ("--multirun=yes", ["--multirun=yes: takes no value"]),
        ("-m --cfg job", ["-m and --cfg: only one of -r, -m, --cfg and -i can be asked for"]),
        ("--help modle", [f"--help modle: must be one of {TOPICS}"]),
        ("--resolve", ["--resolve: goes with --cfg or --help"]),
        # values
        ("--lr", ["--lr: needs a value, which must be a number"]),
        ("--lr --epochs 3", ["--lr: needs a value, which must be a number"]),
        ("--model", [f"--model: needs a value, which must be one of {MODELS}"]),
        ("--experiment_name -lr 1", ["--experiment_name: needs a value, which must be text"]),
        ("--output -m", ["--output: needs a value, which must be text"]),
        ("--hidden_units", ["--hidden_units: needs a value, which must be a list, such as [128,64]"]),
        ("--padding", ["--padding: needs a value, which must be one of same, valid, or a list of such"]),
        ("--hydra.run.dir", ["--hydra.run.dir: needs a value, which must be text"]),
        ("--epochs 1.5", ["--epochs 1.5: must be a whole number"]),
        ("--epochs 1_000", ["--epochs 1_000: must be a whole number"]),
        ("--epochs ''", ["--epochs '': must be a whole number"]),
        ("--epochs=", ["--epochs=: must be a whole number"]),
        ("--epochs 'a b'", ["--epochs 'a b': must be a whole number"]),
        ("--seed -3", ["--seed -3: must be at least 0"]),
        ("--lr -inf", ["--lr -inf: must be a finite number"]),
        ("--lr 1e400", ["--lr 1e400: must be a finite number"]),
        ("dropout_rate=1", ["dropout_rate=1: must be less than 1"]),
        ("--download maybe", ["--download maybe: must be true or false"]),
        ("--pixels -1", ["--pixels -1: must be at least 1 (shift) or must be at least 0 (affine)"]),
        ("--pixels fast", ["--pixels fast: must be a whole number (shift) or must be a number (affine)"]),
        ("--hidden_units 128,x", ['--hidden_units 128,x: "x" must be a whole number']),
        ("--hidden_units 128,0", ["--hidden_units 128,0: 0 must be at least 1"]),
        ("model.hidden_units=[128,0]", ["model.hidden_units=[128,0]: 0 must be at least 1"]),
        ("--kernel_size 5,x", ['--kernel_size 5,x: "x" must be a whole number']),
        ("--kernel_size 5,0", ["--kernel_size 5,0: 0 must be at least 1"]),
        ("--kernel_size ''", ["--kernel_size '': must be a whole number, or a list of such"]),
        ("--kernel_size []", ["--kernel_size []: must have at least 1 entry"]),
        ("--padding same,vald", ['--padding same,vald: "vald" must be one of same, valid; did you mean valid?']),
        ("--filters []", ["--filters []: must have at least 1 entry"]),
        ("--hidden_units 128 64", [f"64: {STRAY}"]),
        ("--activation rellu", [
            f"--activation rellu: must be one of {ACTIVATIONS}; did you mean relu or elu or selu?",
        ]),
        ("--optimizer adm", [f"--optimizer adm: must be one of {OPTIMIZERS}; did you mean adam or nadam or adamw?"]),
        ("optimizer=adm", [f"optimizer=adm: must be one of {OPTIMIZERS}; did you mean adam or nadam or adamw?"]),
        ("optimizer@x=adm", [f"optimizer@x=adm: must be one of {OPTIMIZERS}; did you mean adam or nadam or adamw?"]),
        ("+model=5", [f"+model=5: must be one of {MODELS}"]),
        ("x@y=1 hydra=1", [f"x: {NO_NAME}; {MANUAL}", f"hydra: {NO_NAME}; did you mean --hydra-help?"]),
        ("--experiment_name ''", ["--experiment_name '': must not be empty"]),
        # several values without -m
        ("seed=1,2", [f"seed=1,2: must be a whole number; {SEVERAL}"]),
        ("--seed 1,2", [f"--seed 1,2: must be a whole number; {SEVERAL}"]),
        ("model=cnn,mlp", [f"model=cnn,mlp: must be one of {MODELS}; {SEVERAL}"]),
        ("-m model=cnn,mpl", [f"model=cnn,mpl: must be one of {MODELS}; did you mean mlp?"]),
        # twice
        ("--lr 0.1 optimizer.learning_rate=0.2", [
            "--lr 0.1 and optimizer.learning_rate=0.2: two values for optimizer.learning_rate; leave one of them out",
        ]),
        ("--model cnn --model none", ["--model cnn and --model none: two values for model; leave one of them out"]),
        ("tracking.experiment=a --experiment_name b", [
            "tracking.experiment=a and --experiment_name b: two values for tracking.experiment; leave one of them out",
        ]),
        # nothing of the config can be deleted
        ("~tracking.uri", ["~tracking.uri: a field can't be deleted; set it to null: tracking.uri=null"]),
        ("~patience=3", ["~patience=3: a field can't be deleted; set it to null: training.patience=null"]),
        ("~seed", [
            "~seed: a field can't be deleted, and this one must be a whole number;"
            " leave it out for its default (seed=0)",
        ]),
        ("~model.hidden_units", [
            "~model.hidden_units: a field can't be deleted, and this one must be a list, such as [128,64];"
            " leave it out for its default",
        ]),
        ("~model ~augment=none", [
            f"~model: a group can't be deleted; choose one of {MODELS}",
            "~augment=none: a group can't be deleted; choose one of affine, none, shift",
        ]),
        ("~training", [
            "~training: a part of the config can't be deleted; set its fields, such as training.epochs=…",
        ]),
        ("~sweeps", ["~sweeps: nothing is chosen by sweeps=null"]),
        ("~optimizr", [f"~optimizr: {NO_NAME}; did you mean optimizer?"]),
        # words
        ("training.epochs", [f"training.epochs: {STRAY}"]),
        ("-- - -5", [f"--: {STRAY}", f"-: {STRAY}", f"-5: {STRAY}"]),
        ("+= ~", ["+=: there is no name in it", "~: there is no name in it"]),
        ("=3", [f"'': {NO_NAME}; {MANUAL}"]),
        # all at once, in the order typed
        ("--modle cnn --epochs 0 --lr fast", [
            f"--modle cnn: {NO_NAME}; did you mean model?",
            "--epochs 0: must be at least 1",
            "--lr fast: must be a number",
        ]),
        ("stray --cfg optimizer=adm --lr=2 lr=1", [
            f"stray: {STRAY}",
            "--cfg optimizer=adm: must be one of job, hydra, all",
            "--lr=2 and lr=1: two values for optimizer.learning_rate; leave one of them out",
        ]),
    ],
)  # fmt: skip
def test_the_answer_to_what_cannot_be(typed: str, lines: list[str]) -> None:
    assert mistakes(typed) == lines


@pytest.mark.parametrize("word", ["+x=(", "++x", "~[", "hydra.x=[", "a@b=(", "+x=" + "[" * 5000, "training={"])
def test_what_hydra_cannot_read_is_one_line(word: str) -> None:
    (line,) = mistakes(shlex.quote(word))
    assert line.startswith(word[:MAX_SHOWN_CHARACTERS])
    assert line.endswith("; quote values with blanks or special characters: \"key='a b'\"")


def test_control_characters_and_length_do_not_break_the_line() -> None:
    with pytest.raises(UserError) as caught:
        translation.translate(["--epochs", "a\nb\x1b[31m", "--zebra\r=\ud800", "--lr", "9" * 5000 + "x"], [CONF])
    first, second, third = caught.value.mistakes
    assert first == "--epochs 'a\\nb\\x1b[31m': must be a whole number"
    assert second.startswith("--'zebra\\r'='\\ud800': there is no such field or group")
    assert third == f"--lr {'9' * MAX_SHOWN_CHARACTERS}…: must be a number"


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        (["--model", "cnn", "--lr", "1e-3", "--epochs=1", "--batch-size", "256"],
         {"model.name": "cnn", "optimizer.learning_rate": 0.001, "training.epochs": 1, "training.batch_size": 256}),
        (["--hidden_units", "128 64", "--experiment_name", "${seed} \\${x} \"'=,(手写\\"],
         {"model.hidden_units": (128, 64), "tracking.experiment": "${seed} \\${x} \"'=,(手写\\"}),
        (["tracking.experiment=${data.name}_${seed}", "--seed", "3"], {"tracking.experiment": "mnist_3"}),
        (["--data", "digits", "--augment=affine", "--pixels", "2.5"], {"data.name": "digits", "augment.pixels": 2.5}),
        (["--mirrors", "['a\\n${b}', 'c,d']", "--download"],
         {"data.mirrors": ("a\n${b}", "c,d"), "data.download": True}),
        (["--optimizer", "adamw", "--weight_decay", "none", "--schedule", ""],
         {"optimizer.weight_decay": None, "schedule.name": "constant"}),
        (["--experiment_name", "???", "--training.max_seconds", "1e2"],
         {"tracking.experiment": "???", "training.max_seconds": 100.0}),
        (["training={epochs: 3}"], {"training.epochs": 3, "training.batch_size": 128}),
    ],
)  # fmt: skip
def test_what_the_config_holds(typed: list[str], held: dict[str, object]) -> None:
    resolvers.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loaded = validation.load(compose("config", translation.translate(typed, [CONF])))
    for path, value in held.items():
        part: object = loaded
        for name in path.split("."):
            part = getattr(part, name)
        assert part == value, path


@pytest.mark.parametrize("flags", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"], []])
def test_a_second_config_directory_adds_choices_and_groups(flags: list[str], tmp_path: Path) -> None:
    for name in ("model/own.yaml", "sweeps/mine.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    flags = [flag.format(tmp_path) for flag in flags]
    conf = [CONF] if flags else [CONF, tmp_path]
    assert translation.translate([*flags, "--model", "own"], conf) == [*flags, "model=own"]
    assert translation.translate([*flags, "--sweeps", "mine", "seed=1,2"], conf) == [*flags, "sweeps=mine", "seed=1,2"]
    sweeps = sorted([*GROUPS["sweeps"], "mine"])
    assert translation.choices([CONF, tmp_path]) == GROUPS | {
        "model": sorted([*GROUPS["model"], "own"]),
        "sweeps": sweeps,
    }


def test_flags_come_first_because_hydra_takes_no_override_after_one_that_follows_one() -> None:
    parsed = get_args_parser().parse_args(translate("seed=1 -m --lr 0.1,0.2"))
    assert (parsed.multirun, parsed.overrides) == (True, ["seed=1", "optimizer.learning_rate=0.1,0.2"])


@pytest.mark.parametrize("synonym", sorted(word for word, key in SYNONYMS.items() if Names(GROUPS, {}).find(key)))
def test_a_synonym_means_something_and_hides_nothing(synonym: str) -> None:
    names = Names(GROUPS, {})
    match = names.find(synonym)
    assert match and match.key == SYNONYMS[synonym]
    assert synonym not in GROUPS and all(field.path.rpartition(".")[2] != synonym for field in fields.fields())


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([], "python train.py"),
        (["model=cnn", "training.epochs=3"], "python train.py model=cnn training.epochs=3"),
        (["model.hidden_units=[8,4]"], "python train.py 'model.hidden_units=[8,4]'"),
        (['tracking.experiment="it\'s"'], "python train.py 'tracking.experiment=\"it'\"'\"'s\"'"),
        (["objective=val_accuracy", "seed=1"], "python train.py 'objective=val_accuracy' seed=1"),
        (['tracking.experiment="accuracy 1"'], "python train.py 'tracking.experiment=\"accuracy'' 1\"'"),
        (["output=a\nb'手accuracy 1\ud800"], "python train.py $'output=a\\x0ab\\'手accuracy\\x201\\xed\\xa0\\x80'"),
    ],
)
def test_the_line_to_copy(overrides: list[str], line: str) -> None:
    assert translation.command_line(overrides) == line
    assert not re.search(r".*?accuracy\s(.*)", f"{line}\n")
    words_of_bash = f"printf '%s\\0' {line.removeprefix('python train.py')}"
    process = subprocess.run(["bash", "-c", words_of_bash], capture_output=True, check=True)
    words = process.stdout.decode("utf-8", "surrogatepass").split("\0")[:-1]
    assert words == (overrides or [""])


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("--early_stopping true", "--early_stopping true: {}; patience=3 ends when 3 epochs improve nothing"),
        ("save_steps=9", "save_steps: {}; the best epoch's model is kept in any case; objective says by which metric"),
        ("trainer.max_epochs=3", "trainer.max_epochs: {}; did you mean training.epochs?"),
        ("trainer=x", "trainer: {}; its settings are fields of training, such as epochs and batch_size"),
        ("optimizer.lr=3", "optimizer.lr: {}; did you mean optimizer.learning_rate?"),
        ("gpus=1", "gpus: {}; TensorFlow takes a GPU where there is one; CUDA_VISIBLE_DEVICES='' keeps to the CPU"),
        ("trainer.strategy=ddp", "trainer.strategy: {}; config/resource.json names the job's instances, and a run"
         " trains on all; instances=ignore on the first"),
        ("--tag foo", "--tag foo: {}; tags.<key>=VALUE is one tag, such as tags.owner=anna"),
        ("n-trials=3", "n-trials: {}; studies have it, as hydra.sweeper.n_trials and so on; sweeps=mlp chooses one"),
    ],
)  # fmt: skip
def test_a_word_of_another_tool_has_an_answer(typed: str, answer: str) -> None:
    assert mistakes(typed) == [answer.format(NO_NAME)]


def test_a_word_of_another_tool_has_one_meaning_which_exists() -> None:
    names = Names(GROUPS, {})
    assert not [word for word in HINTS if word in SYNONYMS or names.find(word)]
    fields_named = {word for hint in HINTS.values() for word in re.findall(r"\b(?:[a-z]+_[a-z_]+|[a-z.]+(?==))", hint)}
    fields_named -= {"n_trials", "dry_run"}  # hydra.sweeper has them
    assert not {word for word in fields_named if not names.find(word)}


def test_on_the_platform_no_answer_needs_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").symlink_to(PROJECT)
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    assert mistakes("--seed 1,2 --zebra 1") == [
        "--seed 1,2: must be a whole number; for several runs, one after another, add hydra.mode=MULTIRUN",
        f"--zebra 1: {NO_NAME}; conf/ has them all",
    ]
    assert translate("--hydra.mode MULTIRUN --seed 1,2") == ["hydra.mode=MULTIRUN", "seed=1,2"]
    assert comparison_advice("runs", None, tmp_path / "output") == ""
