"""The sweeper's own composition of configs and launch of jobs, compared with Hydra's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from optuna_sweep.composition import Composer
from support.sweeping import sweep
from trialmaker.config import resolvers, sweep_files
from trialmaker.platform import paths

FIRST = ["sweeps=mlp", "optimizer.learning_rate=0.1", "model.hidden_units=[8,8]", "model.dropout_rate=0.0"]


@pytest.fixture
def hydra() -> Iterator[tuple[Any, DictConfig]]:
    """Hydra's config loader, and the config of a sweep."""
    resolvers.register()
    sweep_files.register(["sweeps=mlp"])
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(paths.CONF), version_base="1.3", job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration("config", ["sweeps=mlp"], RunMode.MULTIRUN)


@pytest.mark.parametrize(
    "lines",
    [
        FIRST,
        ["sweeps=mlp", "optimizer.learning_rate=1e-3", "model.hidden_units=[64]", "model.dropout_rate=0.25"],
        [
            "sweeps=mlp",
            "optimizer.learning_rate=${model.dropout_rate}",
            "model.hidden_units=[]",
            "model.dropout_rate=1",
        ],
        [*FIRST, "optimizer=adamw"],
        [*FIRST, "optimizer=sgd", "schedule=cosine"],
        ["optimizer=sgd", *FIRST],
        [*FIRST, "+new=3"],
        [*FIRST, "++seed=3", "~training.log_every_steps"],
        [*FIRST, "optimizer={beta_1:0.5}"],
        [*FIRST, "optimizer={beta_2:0.5}"],
        [*FIRST, "hydra.sweep.subdir=7_retry_1"],
        ["seed=3", "++seed=4"],
        ["optimizer.beta_1=0.1", "optimizer={beta_1:0.2}"],
        ["++seed=4", "seed=3", "optimizer=sgd"],
        [*FIRST, "output='a b=c'", "init_model=null", "training.max_examples=7"],
    ],
)
def test_configs_are_hydras(hydra: tuple[Any, DictConfig], lines: list[str]) -> None:
    loader, master = hydra
    composer = Composer(loader, master)
    for earlier in (FIRST, [*FIRST[:1], *FIRST[2:], FIRST[1]], lines, lines):
        config = composer(earlier)
    expected = loader.load_sweep_config(master, lines)
    assert OmegaConf.to_yaml(config) == OmegaConf.to_yaml(expected)
    assert OmegaConf.is_struct(config) and OmegaConf.to_container(config.hydra.job) == OmegaConf.to_container(
        expected.hydra.job
    )


@pytest.mark.parametrize("line", ["modle=cnn", "optimizer.nothing=1", "hydra.job.num={a:1}"])
def test_what_hydra_refuses_is_refused(hydra: tuple[Any, DictConfig], line: str) -> None:
    loader, master = hydra
    with pytest.raises(ConfigCompositionException):
        loader.load_sweep_config(master, [*FIRST, line])
    with pytest.raises(ConfigCompositionException):
        Composer(loader, master)([*FIRST, line])


def test_jobs_leave_what_hydras_leave(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir(), theirs.mkdir()
    words = ("x=0.25,0.75", "hydra.job.chdir=true", "+hydra.job.env_set.FROM_HYDRA=yes")
    assert sweep(ours, *words, "hydra/sweeper/sampler=grid").returncode == 0
    assert sweep(theirs, *words, "--config-name", "of_no_sweeper").returncode == 0
    files = [sorted(str(path.relative_to(root)) for path in root.glob("multirun/[01]/**/*")) for root in (ours, theirs)]
    assert files[0] == files[1]
    jobs = {(theirs / f"multirun/{n}/.hydra/config.yaml").read_text(): n for n in (0, 1)}
    for number in (0, 1):
        same = jobs[(ours / f"multirun/{number}/.hydra/config.yaml").read_text()]
        for name in ("overrides.yaml", "../seen"):
            texts = [root / f"multirun/{n}/.hydra/{name}" for root, n in ((ours, number), (theirs, same))]
            assert texts[0].read_text() == texts[1].read_text()
        hydra = [
            OmegaConf.load(root / f"multirun/{n}/.hydra/hydra.yaml").hydra
            for root, n in ((ours, number), (theirs, same))
        ]
        for part in ("job", "runtime", "run", "sweep"):
            first, second = (OmegaConf.to_container(one[part]) for one in hydra)
            assert first.keys() == second.keys()
