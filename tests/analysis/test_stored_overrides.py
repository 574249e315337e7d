"""Overrides of a stranger's study or run: what ``best`` and ``rerun`` make of them."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from optuna_sweep.attributes import OVERRIDES
from optuna_sweep.storage import open_storage
from support.outputs import Command, create_store, merge_outputs
from support.runs import make_run
from trialmaker.analysis import reproduction
from trialmaker.analysis.store.runs import Run
from trialmaker.analysis.stored_overrides import checked
from trialmaker.cli.main import main
from trialmaker.errors import UserError

GOOD = ["model=mlp", "optimizer.learning_rate=0.5", "model.hidden_units=[16,8]", "tags.owner=anna", "name='a b'"]
BAD = [
    "hydra.callbacks.x={_target_: numpy.load, file: evil.npy, allow_pickle: true}",
    "+hydra.job.env_set.PYTHONPATH=/tmp/evil",
    "hydra.run.dir=/home/me",
    "hydra/launcher=joblib",
    "model._target_=os.system",
    "model.hidden_units=[{_target_: os.system}]",
    '"model=mlp\\n  - override /hydra/launcher: evil"',
    "model=../../evil",
    "model@hydra.callbacks=evil",
    "name=${oc.env:HOME}",
    "note='${oc.decode:${oc.env:HOME}}'",
    "no.such=1",
    "--config-dir=/tmp/evil",
    "seed",
    "",
]
OF_THE_READER = [
    "hydra.sweeper.custom_search_space=os.system",
    "hydra.sweeper.storage=http://elsewhere",
    "output=/home/me",
    "tracking.uri=http://elsewhere",
    "data.mirrors=[http://elsewhere]",
]


def add_study(output: Path, overrides: object) -> None:
    study = optuna.create_study(storage=open_storage(str(output / "studies" / "s.log")), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={OVERRIDES: overrides}))


def test_the_configs_own_fields_and_groups_are_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_study(tmp_path, GOOD)
    assert main(["best", "s", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("python train.py model=mlp optimizer.learning_rate=0.5 'model.hidden")


@pytest.mark.parametrize("bad", BAD)
def test_nothing_else_is(bad: str) -> None:
    with pytest.raises(UserError) as error:
        checked([*GOOD, bad], "study s")
    assert all(line.startswith("study s: ") and line.isprintable() for line in error.value.mistakes)


@pytest.mark.parametrize("way", [[], ["--seeds", "1"], ["--write", "of_a_stranger"]], ids=lambda way: "".join(way[:1]))
def test_a_command_with_something_else_does_nothing(
    way: list[str], tmp_path: Path, copied_configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_study(tmp_path, [*GOOD, BAD[0]])
    assert main(["best", "s", "--output", str(tmp_path), *way]) == 2
    assert not (copied_configs / "conf" / "experiment" / "of_a_stranger.yaml").exists()
    printed = capsys.readouterr()
    assert printed.err.startswith("trialmaker: error: study s, trial 0: ") and not printed.out


@pytest.mark.parametrize("overrides", [None, "seed=1", {"seed": 1}, [1], [["seed=1"]]])
def test_what_is_no_list_of_texts_is_one_line(overrides: object) -> None:
    with pytest.raises(UserError, match=r"^study s: its overrides are none: [^\n]*$"):
        checked(overrides, "study s")


def test_where_results_go_is_not_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_study(tmp_path, [*OF_THE_READER, "seed=1"])
    assert main(["best", "s", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "python train.py seed=1 hydra.mode=RUN\n"
    assert printed.err.startswith(f"study s, trial 0: left out: {', '.join(OF_THE_READER)}: ")


def test_a_recipe_holds_a_stored_text_as_a_text(tmp_path: Path, copied_configs: Path) -> None:
    recipe = copied_configs / "conf" / "experiment" / "of_a_stranger.yaml"
    add_study(tmp_path, ["note='a: b\\ndefaults: [x] # \"'", "model=mlp"])
    assert main(["best", "s", "--output", str(tmp_path), "--write", "of_a_stranger"]) == 0
    assert recipe.read_text().count("defaults") == 2 and "\ndefaults: [x]" not in recipe.read_text()


@pytest.mark.parametrize(
    "line",
    [
        '{"op_code": ' + "[" * 100_000,
        '{"op_code": 99, "worker_id": "a"}',
        '{"op_code": 0}',
        '{"op_code": 4, "worker_id": "a", "study_id": 7}',
        '{"op_code": 0, "worker_id": "a", "study_name": "t", "directions": ["up"]}',
    ],
    ids=["deep", "unknown", "empty", "no study", "no direction"],
)
def test_a_spoilt_study_is_one_line(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "s.log").write_text(line + "\n")
    assert main(["best", "s", "--output", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert (
        err.startswith("trialmaker: error: ")
        and "Traceback" not in err
        and len(err.splitlines()) == 1
        and len(err) < 1000
    )


def test_an_endless_view_of_a_study_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(storage=open_storage(place), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={OVERRIDES: ["seed=1"]}))
    assert main(["best", "s", "--storage", place]) == 0
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute("ALTER TABLE studies RENAME TO other")
        connection.execute(f"CREATE VIEW studies AS {numbers} SELECT x AS study_id, x AS study_name FROM n")
    assert main(["best", "s", "--storage", place]) == 2
    assert "holds a view, studies" in capsys.readouterr().err


CONFIG = """\
data: {name: digits}
model: {name: mlp}
optimizer: {name: adam}
schedule: {name: constant}
augment: {name: none}
output: /home/me
tracking: {uri: "http://elsewhere"}
"""


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("hydra: {job: {env_set: {PYTHONPATH: /tmp/evil}}}", "does not know: hydra.job.env_set.PYTHONPATH"),
        ("note: x\nname: ${oc.env:HOME}\nseed: ${oc.env:HOME}", "seed"),
        ("init: &a [x, x]\nmore: [*a, *a]", "has an alias"),
        ("seed: !!python/object/apply:os.system [id]", "cannot be read as the config"),
        ("[" * 5000, "cannot be read as the config"),
        ("model: {name: 'mlp,cnn'}", "duplicate"),
        ("training: {epochs: [{_target_: os.system}]}", "_target_"),
    ],
)
def test_a_stored_config_is_data(more: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        reproduction.overrides(run_of(tmp_path, CONFIG + more), {})
    assert all(line.isprintable() for line in error.value.mistakes) and reason in str(error.value)


def test_a_rerun_chooses_no_place_and_no_server(tmp_path: Path) -> None:
    run = run_of(tmp_path, CONFIG.replace("data: {", "data: {mirrors: [http://elsewhere], ") + "seed: 1")
    words = reproduction.overrides(run, {})
    assert "seed=1" in words and not [word for word in words if "elsewhere" in word or "/home/me" in word]


def test_a_config_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    run = run_of(tmp_path, "")
    (tmp_path / "resolved_config.yaml").rename(tmp_path.parent / "mine.yaml")
    (tmp_path.parent / "mine.yaml").write_text(CONFIG + "seed: 77")
    (tmp_path / "resolved_config.yaml").symlink_to(tmp_path.parent / "mine.yaml")
    with pytest.raises(UserError, match="its config is not recorded whole"):
        reproduction.overrides(run, {})


def test_a_stored_commit_is_printed_as_text(tmp_path: Path, command: Command) -> None:
    client = create_store(tmp_path / "received")
    run = client.create_run("0", tags={"mlflow.source.git.commit": "\x1b]0;x\x07\nfake"}).info.run_id
    client.log_param(run, "seed", "1")
    client.log_text(run, CONFIG + "seed: 1", "resolved_config.yaml")
    merge_outputs([tmp_path / "received"], tmp_path / "merged")
    code, out, _ = command("rerun", run, str(tmp_path / "received"), "--dry-run")
    assert code == 0 and "\x1b" not in out and r"commit \x1b]0;x\x07\nf" in out


def run_of(folder: Path, config: str) -> Run:
    """Return a run whose artifacts are a config file in a folder."""
    (folder / "resolved_config.yaml").write_text(config)
    return replace(make_run("a", 0.5), artifacts=folder.as_uri(), params={})
