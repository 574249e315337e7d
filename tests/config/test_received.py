"""What config that somebody else made may set: overrides stored in studies and runs, files in ``input/config``."""

import pytest

from trialmaker.config import received
from trialmaker.errors import UserError

HONEST_OVERRIDES = [
    *("model=cnn", "sweeps=mlp", "experiment=null", "~experiment", "seed=3", "model.hidden_units=[64,64]"),
    *("++tags.owner=anna", "note='a b: c'", 'name="wider, night 2"', "hydra.mode=RUN", "init_model=null"),
    *("data.directory=/data/pets", "training={epochs: 3}", "trial_values=[val_accuracy,parameters]"),
    *("hydra/sweeper=optuna", "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.seed=3", "hydra.sweeper.n_trials=9"),
    "hydra.sweeper.sampler={_target_: optuna.samplers.RandomSampler, seed: 1}",
    "training.max_examples=${training.batch_size}",
]


@pytest.mark.parametrize("text", HONEST_OVERRIDES)
def test_what_a_study_stores_of_honest_trials_may_be_repeated(text: str) -> None:
    received.check_overrides([text], "study mlp")


@pytest.mark.parametrize(
    "text",
    [
        # of Hydra
        *("hydra.callbacks.x={_target_: numpy.load, allow_pickle: true}", "hydra.job.env_set.PYTHONPATH=/evil"),
        *("++hydra.callbacks={}", "hydra.job.chdir=true", "hydra.searchpath=[file:///evil]", "hydra/launcher=joblib"),
        *("hydra.run.dir=/evil", "hydra.sweep.dir=/evil", "hydra={callbacks: {x: {_target_: a.b}}}", "~hydra.x"),
        *("hydra.sweep.dir='${output}/logs/../..'", "hydra/job_logging=evil", "+hydra.launcher._target_=os.system"),
        *("hydra.mode=EVIL", "hydra.verbose=true", "hydra=evil", "hydra.sweeper=evil"),
        # callables
        *("hydra.sweeper._target_=os.system", "hydra.sweeper.sampler={_target_: os.system}", "model._target_=a.b"),
        *("hydra.sweeper.custom_search_space=os.system", "hydra.sweeper.sampler._args_=[1]", "model={_partial_: true}"),
        *("hydra.sweeper.sampler={_target_: optuna.samplers.evil.Sampler}", "tags={_target_: os.system}"),
        "hydra.sweeper.sampler={crossover: [{_target_: os.system}]}",
        "hydra.sweeper.sampler={_target_: '${note}'}",
        # places
        *("tracking.uri=http://evil", "output=/evil", "tracking={uri: http://evil}", "hydra.sweeper.storage=/evil"),
        *("data.mirrors=[http://evil]", "resume=other", "resume=/x", "hydra.sweeper.storage=postgresql://evil/db"),
        *("hydra.sweeper.storage='${output}/studies/../../evil'", "++output=/evil", "+tracking.uri=http://evil"),
        # interpolations
        *("name=${oc.env:HOME}", "name='${oc.env:HOME}'", "note=\"${oc.env:HOME}\"", "note='x ${environment:HOME}'"),
        *("note='\\${oc.env:HOME}'", "note=${oc.decode:x}", "note=${hydra:runtime.cwd}", "note=${hydra.runtime.cwd}"),
        *("note='${${name}}'", "note='${oc.${x}:HOME}'", "note=${tracking.uri}", "note=${tracking}", "note='${.name}'"),
        *("tags={a: '${oc.env:HOME}'}", "model.hidden_units=[${oc.env:N}]", "note='$${seed}{oc.env:HOME}'"),
        # names
        *("model@hydra.callbacks=cnn", "colour=red", "model={seed: 8}", "~training", "model={a: b}"),
        *("model=../../evil", "/hydra/callbacks=x", "a b", "", "hydra.sweeper.params={hydra.mode: choice(a,b)}"),
        "hydra.sweeper.params={tracking.uri: 'choice(http://a,http://b)'}",
    ],
)  # fmt: skip
def test_what_would_do_more_than_set_a_value_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^study mlp: ") as refusal:
        received.check_overrides(["seed=1", text], "study mlp")
    assert all(line.isprintable() and line.count(": ") >= 2 for line in refusal.value.mistakes)


def test_stored_overrides_do_not_grow() -> None:
    words = ["tags.a='${seed}'", "tags.b='${tags.a}${tags.a}'", "note='${tags.b}'"]
    with pytest.raises(UserError, match=r"^study mlp: tags.b: \$\{tags.a\} is made of other fields itself"):
        received.check_overrides(words, "study mlp")
    with pytest.raises(UserError, match="at most 10000 characters"):
        received.check_overrides([f"note={'x' * 20_000}"], "study mlp")


def test_files_are_downloaded_to_the_jobs_inputs_alone() -> None:
    received.check_overrides(["data.download=true"], "study mlp")
    received.check_overrides(["data.directory=/pets"], "study mlp")
    with pytest.raises(UserError, match=r"^study mlp: data.directory: /pets: with data.download=true, must lie below"):
        received.check_overrides(["data.directory=/pets", "data.download=true"], "study mlp")


def test_what_only_a_person_sets_can_be_left_out_of_their_own_study() -> None:
    words = ["seed=1", "output=/x", "++tracking.uri=http://x", "hydra.sweeper.storage=/y", "data.directory=/pets"]
    assert received.split_overrides(words) == (["seed=1", "data.directory=/pets"], words[1:4])
