"""What makes two runs one: the same config but for what is incidental, the same data, the same kind of run."""

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trialmaker.config.incidental import is_incidental
from trialmaker.config.run_schema import AUTO, PRECISION, PRECISIONS
from trialmaker.config.schema import Config
from trialmaker.experiment import run_header, startup, study_identity
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.resume.earlier_run import EarlierRun
from trialmaker.model_store.weights_source import find_weights
from trialmaker.platform import processor

NUMERIC_PACKAGES = ("tensorflow", "keras", "numpy")  # another version may compute other bits
INIT_MODEL = "init_model_digest"
PROCESSOR = "processor"
NO_FIELD = "unset"  # in place of the value of a field that one side does not have
WITHOUT_FIELD = {PRECISION: (AUTO, PRECISIONS[0])}  # by a field: values as which a version without it worked


@dataclass(frozen=True)
class Identity:
    """What a run is, as far as its results depend on it.

    Args:
        params: the config's fields as text, by path.
        versions: of packages, of TrialMaker, the processor, and the digest of the initial weights.
        withheld: why the run publishes nothing; "" if it does.
    """

    params: Mapping[str, str]
    versions: Mapping[str, str]
    withheld: str

    def differences(self, run: EarlierRun, but: tuple[str, ...] = ()) -> Iterator[str]:
        """Yield how an earlier run's config differs, a phrase for each field.

        Args:
            run: the earlier one.
            but: fields that may differ.
        """
        other = run.params
        for name in sorted({*self.params, *other}):
            there, here = (params.get(name, NO_FIELD) for params in (other, self.params))
            if name not in other and here in WITHOUT_FIELD.get(name, ()):
                continue
            if there != here and name not in but and not is_incidental(name):
                yield f"{name}={there} there, {here} here"
        if run.head.versions.get(INIT_MODEL, "") != self.versions.get(INIT_MODEL, ""):
            yield "the weights that it started from are others than those of init_model"
        if run.head.withheld != self.withheld:
            there, here = (one or "publishes its model" for one in (run.head.withheld, self.withheld))
            yield f"it {there} there, {here} here"

    def data_differences(self, run: EarlierRun, config: Config) -> Iterator[str]:
        """Yield how the data of an earlier run differ, which are read for that."""
        digests = [record.get("digest") for record in run.records if record["type"] == "data"]
        if digests and digests[0] != startup.load_dataset(config.data).digest:
            place = getattr(config.data, "directory", config.data.name)
            yield f"data.directory={place}: holds other data than it trained on"

    def version_differences(self, run: EarlierRun) -> Iterator[str]:
        """Yield which versions of what computes differ."""
        for package in NUMERIC_PACKAGES:
            there, here = run.head.versions.get(package), self.versions[package]
            if there != here:
                yield f"{package} {there} there, {here} here"

    def notices(self, run: EarlierRun) -> Iterator[str]:
        """Yield what else has changed since an earlier run, which does not keep it from being gone on with."""
        other = run.head.versions
        there, here = other.get("trialmaker"), self.versions["trialmaker"]
        if there != here:
            yield f"the code has changed since: {there} there, {here} here"
        there, here = other.get(PROCESSOR), self.versions[PROCESSOR]
        if there not in (None, here):
            yield f"the machine is another: {there} there, {here} here; results may differ from an unbroken run's"


def identity(config: Config, context: RunContext) -> Identity:
    """Return what a run is."""
    return Identity(startup.params(config), context.versions, context.withheld)


def versions(config: Config) -> dict[str, str]:
    """Return what a run's results depend on beside config and data: versions, the processor, a digest of weights."""
    weights = {INIT_MODEL: study_identity.digest(find_weights(Path(config.init_model)))} if config.init_model else {}
    return {"trialmaker": run_header.version(), PROCESSOR: processor.description(), **_packages(), **weights}


@lru_cache  # each trial of a study asks
def _packages() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in NUMERIC_PACKAGES}
