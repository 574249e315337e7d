"""Recipes of trials, where the study's file is not the project's."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from trialmaker.analysis.recipe import write_recipe
from trialmaker.config import user_files
from trialmaker.errors import UserError
from trialmaker.platform import paths

OVERRIDES = ["sweeps=mine", "optimizer.learning_rate=0.5"]


@pytest.fixture
def recipe(copied_configs: Path) -> Path:
    return copied_configs / "conf" / "experiment" / "of_a_test.yaml"


def test_a_recipe_has_what_a_persons_own_study_file_sets(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    study = tmp_path / "input" / "config" / "sweeps" / "mine.yaml"
    study.parent.mkdir(parents=True)
    study.write_text("# @package _global_\ndefaults:\n  - override /model: cnn\nseed: 77\nhydra: {mode: MULTIRUN}\n")
    assert write_recipe(recipe.stem, OVERRIDES) == recipe
    assert OmegaConf.load(recipe) == {
        "defaults": [{"override /model": "cnn"}],
        "seed": 77,
        "optimizer": {"learning_rate": 0.5},
    }


def test_an_installed_package_writes_its_recipes_into_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    monkeypatch.setattr(paths, "IS_INSTALLED", True)
    words = ["model=mlp", "model.hidden_units=[8,8]", "seed=3", "output=/elsewhere", "data.directory=/there"]
    path = write_recipe("mine", words)
    assert path == tmp_path / "input" / "config" / "experiment" / "mine.yaml"
    assert path.read_text().splitlines()[1] == "# The best trial of a study: trialmaker-train experiment=mine"
    assert OmegaConf.load(path) == {
        "defaults": [{"override /model": "mlp"}],
        "model": {"hidden_units": [8, 8]},
        "seed": 3,
    }
    expected = "left out: output, data.directory, which a file in input/config may not set\n"
    assert capsys.readouterr().err == expected
    assert user_files.folders() == [tmp_path / "input" / "config"]
    with pytest.raises(UserError, match=r"^--write mine: must be a new name "):
        write_recipe("mine", words)


def test_a_study_file_that_is_gone_is_named_and_nothing_written(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    with pytest.raises(UserError, match=r"^sweeps=mine: .*input/config/sweeps/"):
        write_recipe(recipe.stem, OVERRIDES)
    assert not recipe.exists()


def test_a_received_study_file_does_not_become_a_file_of_the_projects_unchecked(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    study = tmp_path / "input" / "config" / "sweeps" / "mine.yaml"
    study.parent.mkdir(parents=True)
    study.write_text("# @package _global_\nnote: ${oc.env:HOME}\n")
    with pytest.raises(UserError, match=r"sweeps/mine.yaml: note: "):
        write_recipe(recipe.stem, OVERRIDES)
    assert not recipe.exists()
