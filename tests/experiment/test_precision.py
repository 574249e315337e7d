"""The precision of a run: what it is asked for, what ``auto`` comes to, and what the run says of it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from optuna_sweep.trial import current_trial
from support.entry import Train
from support.instances import loopback_instances
from trialmaker.config import resolvers, validation
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment import precision
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances.team import Team
from trialmaker.experiment.tensorflow_import import is_fast_in_bfloat16
from trialmaker.platform import paths, processor
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import Signals

SLOW = "training.precision=bfloat16: this processor has no instructions for it that TensorFlow uses: float32 is faster"


@pytest.fixture
def cpu_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that says what the processor has."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    return tmp_path / "cpuinfo"


def config_of(*words: str) -> Config:
    resolvers.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        return validation.load(compose("config", list(words)))


def run_context(**fields: Any) -> RunContext:
    return RunContext(Path("run"), current_trial(), 0.0, Signals(), RunResult("train"), **fields)


@pytest.mark.parametrize(
    ("words", "flags", "begun_in", "used"),
    [
        (["model=cnn"], "avx512_bf16", None, "bfloat16"),
        (["model=cnn"], "avx2", None, "float32"),
        (["model=cnn", "model.filters=[24,32]"], "avx512_bf16", None, "float32"),
        (["model=cnn", "training.jit_compile=true"], "avx512_bf16", None, "float32"),
        (["model=mlp"], "avx512_bf16", None, "float32"),
        (["model=mlp", "training.precision=bfloat16"], "avx2", None, "bfloat16"),
        (["model=cnn", "training.precision=float32"], "avx512_bf16", None, "float32"),
        (["model=cnn"], "avx2", "bfloat16", "bfloat16"),
        (["model=cnn"], "avx512_bf16", "float32", "float32"),
    ],
)
def test_auto_takes_what_is_faster_and_a_run_keeps_what_it_was_begun_in(
    words: list[str], flags: str, begun_in: str | None, used: str, cpu_info: Path
) -> None:
    cpu_info.write_text(f"flags : {flags}\n")
    config = config_of(*words)
    assert precision.of_run(config, run_context(precision=begun_in or "")) == used


@pytest.mark.parametrize(
    ("begun_in", "line"),
    [
        ("", "training.precision=bfloat16: ONEDNN_MAX_CPU_ISA=avx2 {law}, or set training.precision=float32"),
        ("bfloat16", "the run was begun in bfloat16: ONEDNN_MAX_CPU_ISA=avx2 {law}, or resume=never starts anew"),
    ],
)
def test_bfloat16_is_refused_where_onednn_would_abort_the_process(
    begun_in: str, line: str, cpu_info: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu_info.write_text("flags : avx512_bf16\n")
    config, context = config_of("training.precision=bfloat16"), run_context(precision=begun_in)
    for isa in ("", "AVX512_CORE"):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
        assert precision.of_run(config, context) == "bfloat16"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    with pytest.raises(UserError) as caught:
        precision.of_run(config, context)
    assert str(caught.value) == line.format(law="leaves oneDNN without it: unset that")
    assert precision.of_run(config_of("model=cnn"), run_context()) == "float32"


@pytest.mark.parametrize(("flags", "used"), [(("avx512_bf16", "avx2"), "float32"), (("avx512_bf16",) * 2, "bfloat16")])
def test_instances_take_what_is_fast_at_all(
    flags: tuple[str, str], used: str, cpu_info: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, teams, are_fast = config_of("model=cnn"), [Team(one, seconds=10) for one in loopback_instances(2)], []
    for number, flag in enumerate(flags):
        monkeypatch.setattr(processor, "CPU_INFO", cpu_info.with_name(f"cpuinfo-{number}"))
        processor.CPU_INFO.write_text(f"flags : {flag}\n")
        are_fast.append(is_fast_in_bfloat16())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Team.join, teams))
        answers = list(pool.map(lambda team, own: team.all_say("TensorFlow is loaded", own), teams, are_fast))
    for team, answer in zip(teams, answers, strict=True):
        team.computes_in_bfloat16 = answer
        assert precision.of_run(config, run_context(team=team)) == used
        team.meeting.leave()


def test_a_run_that_was_begun_in_bfloat16_does_not_name_the_field_as_its_reason() -> None:
    assert SLOW.startswith(precision.origin(run_context()))
    assert precision.origin(run_context(precision="bfloat16")) == "the run was begun in bfloat16"


def test_a_run_says_what_it_computes_in_and_publishes_float32(train: Train, cpu_info: Path) -> None:
    cpu_info.write_text("flags : avx2\n")
    words = ("model.filters=[4]", "model.dense_units=[8]", "training.epochs=1", "training.precision=bfloat16")
    result = train("data=digits", "model=cnn", *words)
    assert result.code == 0, result.err
    assert "parameters, trained in bfloat16; digits" in result.out and SLOW in result.out
    assert "processor: AVX2, oneDNN off" in result.out  # TensorFlow was imported before, without it
    (run,) = result.runs()
    params = run.data.params
    assert (params["training.precision"], params["effective_precision"]) == ("bfloat16", "bfloat16")
    (version,) = [path for path in (result.output / "model").iterdir() if path.name.isdecimal()]
    graph = tf.saved_model.load(str(version)).signatures["serving_default"].graph
    assert tf.bfloat16 not in {value.dtype for operation in graph.get_operations() for value in operation.outputs}
