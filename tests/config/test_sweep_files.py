"""``sweeps/``, the one folder of studies: found by Hydra, listed, and named where a file is wrong."""

from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from support.entry import PROJECT, Train
from trialmaker.config import sweep_files
from trialmaker.config.arguments.translation import choices
from trialmaker.platform import paths


@pytest.fixture
def own(copied_configs: Path) -> Path:
    """A file of a person's own in the project's folder."""
    return copied_configs / "sweeps" / "mine.yaml"


def test_the_folder_is_a_real_one_at_the_top() -> None:
    assert (PROJECT / "sweeps").is_dir() and not (PROJECT / "sweeps").is_symlink()
    assert not (PROJECT / "conf" / "sweeps").exists()
    assert [path.stem for path in sweep_files.sweep_files()] == choices([paths.CONF])["sweeps"]


@pytest.mark.parametrize("name", [path.stem for path in sweep_files.sweep_files()])
def test_each_file_composes_with_its_defaults_and_is_listed(name: str, train: Train) -> None:
    done = train(f"sweeps={name}", "--cfg", "hydra")
    assert done.code == 0 and f"study_name: {name}_${{data.name}}\n" in done.out, done.err
    assert "_target_: hydra_plugins.optuna_sweeper.sweeper.OptunaSweeper" in done.out
    line = next(line for line in train("--help").out.splitlines() if line.startswith("  sweeps "))
    assert name in line.replace(",", "").split()


def test_a_persons_own_file_is_found_in_each_place(train: Train, tmp_path: Path, own: Path) -> None:
    text = "# @package _global_\ndefaults:\n  - override /model: cnn\nseed: 77\n"
    own.write_text(text)
    assert "seed: 77\n" in train(f"sweeps={own.stem}", "--cfg", "job").out
    for folder in (tmp_path / "elsewhere", tmp_path / "input" / "config"):
        (folder / "sweeps").mkdir(parents=True)
        (folder / "sweeps" / f"{folder.name}.yaml").write_text(text)
    done = train("--config-dir", str(tmp_path / "elsewhere"), "--sweeps", "elsewhere", "--cfg", "job")
    assert "seed: 77\n" in done.out and "name: cnn\n" in done.out, done.err
    assert "seed: 77\n" in train("--sweeps", "config", "--cfg", "job").out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "cannot be read as YAML: "),
        ('a: "${output:"', "cannot be read as YAML: "),
        ("- 1", "expected names and values, received a ListConfig"),
        ("# @package _global_\ndefaults:\n  - override /model: nosuch\n", "Could not find 'model/nosuch'"),
        ("# @package _global_\ndefaults:\n  - model: nosuch\n", "Could not find 'sweeps/model/nosuch'"),
    ],
)
def test_an_error_in_a_file_names_its_path(text: str, reason: str, train: Train, own: Path) -> None:
    own.write_text(text)
    done = train(f"sweeps={own.stem}", "--cfg", "job")
    assert done.code == 2 and len(done.err.splitlines()) == 1
    assert str(own) in done.err and reason in done.err, done.err


def test_a_persons_file_may_not_hide_one_of_the_projects(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "input" / "config" / "sweeps" / "mlp.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# @package _global_\nseed: 1\n")
    done = train("--sweeps", "mlp", "--cfg", "job")
    assert done.err == f"train.py: error: {path}: TrialMaker has a config file of that name: rename yours\n"
    (tmp_path / "elsewhere" / "sweeps").mkdir(parents=True)
    path = path.rename(tmp_path / "elsewhere" / "sweeps" / "mlp.yaml")
    done = train("--config-dir", str(tmp_path / "elsewhere"), "sweeps=mlp", "--cfg", "job")
    assert done.err == f"train.py: error: {path}: TrialMaker has a config file of that name: rename yours\n"


def test_a_file_that_is_half_written_hinders_nobody_else(train: Train, own: Path) -> None:
    for text in ("a: [", 'a: "${output:"', "\0"):
        own.write_text(text)
        assert train("sweeps=mlp", "--cfg", "job").code == train("--cfg", "job").code == train("--help").code == 0


@pytest.mark.parametrize(
    ("words", "registered"),
    [
        ([], False),
        (["--help"], False),
        (["--cfg", "job", "model=cnn", "seed=1"], False),
        (["sweeps=mlp", "--help"], True),
        (["experiment=mine"], True),
        (["--config-dir", "mine"], True),
        (["-sc", "query=bash"], True),
    ],
)
def test_files_are_registered_where_they_may_be_chosen(words: list[str], registered: bool) -> None:
    ConfigStore.instance().repo.pop("sweeps", None)
    sweep_files.register(words)
    assert ("sweeps" in ConfigStore.instance().repo) == registered
