"""Train in this process on a disk that is full for one place after another, then, with space again, once more.

python -m soak.disk --folder FOLDER [--sites NAME ...]

For each place there is an output with an earlier run in it. What lay there must stay as it was; the training ends with
one line and exit code 2, or goes on; the same command must come to the output of a run that met no full disk.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra

from soak.disk.disk import PROJECT, Disk
from soak.disk.sites import SITES, Site
from soak.pictures import METRIC_LINE, Picture, differences, picture
from soak.rounds import checkpoint_arguments
from trialmaker.cli.train import train as train_entry

TINY = shlex.split(
    "data=digits training.max_examples=256 training.batch_size=32 model.hidden_units=[8] training.log_every_steps=4"
    " tracking.system_metrics_seconds=1.0 objective=val_loss direction=minimize"
)
EARLIER = (*TINY, "name=earlier", "training.epochs=2", "seed=1")
RUN = (*TINY, "name=soak", "training.epochs=25", "optimizer=adamw", "model.dropout_rate=0.2")
STUDY = (
    *TINY,
    *shlex.split(
        "name=soak training.epochs=3 hydra.mode=MULTIRUN hydra/sweeper=optuna hydra.sweeper.study_name=soak"
        " hydra.sweeper.n_trials=3 hydra/sweeper/sampler=random hydra.sweeper.sampler.seed=3"
        " hydra.sweeper.direction=minimize hydra/sweeper/pruner=none"
        " 'hydra.sweeper.storage=${output}/studies/soak.log' 'optimizer.learning_rate=interval(0.001, 0.01)'"
    ),
)
SPACE = re.compile(r"no space|no checkpoint|free some space|disk may be full", re.IGNORECASE)
SHOWN = 6  # mistakes of a site


@dataclass(frozen=True)
class Result:
    """What a command gave: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def main() -> int:
    """Try the places; print a line for each, and what is wrong; return 0 where nothing is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="for the outputs")
    parser.add_argument("--sites", nargs="*", default=[site.name for site in SITES], metavar="NAME")
    args = parser.parse_args()
    sites = [site for site in SITES if site.name in args.sites]
    trials = Trials(args.folder.resolve())
    results = [trials.try_site(site) for site in sites]
    return 0 if all(results) else 1


class Trials:
    """Trainings on outputs that are copies of one with an earlier run.

    Args:
        folder: for all outputs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = folder, Disk()
        self.references: dict[tuple[bool, bool], Picture] = {}
        self.earlier = self.new_root("earlier")
        ensure(run(self.earlier, EARLIER))

    def new_root(self, name: str) -> Path:
        """Return a new AI_ROOT of a fixed length, since an output's paths are written into its files."""
        root = self.folder / f"{name:_<26.26}".replace(" ", "_").replace(",", "_").replace("'", "_") / "root"
        root.mkdir(parents=True)
        return root

    def copy_of_earlier(self, name: str) -> Path:
        root = self.new_root(name)
        shutil.copytree(self.earlier, root, dirs_exist_ok=True)
        with sqlite3.connect(root / "output" / "mlflow.db") as connection:
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                connection.execute(
                    f"update {table} set {column} = replace({column}, ?, ?)", (str(self.earlier), str(root))
                )
        connection.close()
        return root

    def reference(self, site: Site) -> Picture:
        """Return the picture of the output of a site's command that met no full disk."""
        key = site.is_study, site.is_apart
        if key not in self.references:
            root = self.copy_of_earlier(f"reference {'study' * site.is_study} {'apart' * site.is_apart}")
            start = run_apart if site.is_apart else run
            result = ensure(start(root, STUDY if site.is_study else RUN))
            self.references[key] = picture(root, result.out, self.earlier, has_system=False)
        return self.references[key]

    def try_site(self, site: Site) -> bool:
        """Train without space at a site, then with space; return whether all was as it should be."""
        reference, began = self.reference(site), time.monotonic()
        root = self.copy_of_earlier(site.name)
        before = dict(digests(root / "output"))
        command = STUDY if site.is_study else RUN
        self.disk.fill(site.pattern, site.spare)
        start = run_apart if site.is_apart else run
        result = start(root, command)
        failed = self.disk.free()
        mistakes = [] if failed else ["no write failed: the pattern or the number of writes is wrong"]
        mistakes += mistakes_of_end(result) + mistakes_of_earlier(root, before)
        out, lines = result.out, [line for line in result.out.splitlines() if SPACE.search(line)]
        mistakes += [] if result.err or lines else ["no line says that there was no space"]
        if result.code:
            time.sleep(1.1)  # or the new directory, named for the second, would have a number
            again = start(root, command)
            out = joined(result.out, again.out)
            if again.code:
                mistakes.append(f"with space again, exit code {again.code}: {again.err}")
        elif "does not have all of this run" in out:
            mistakes += deliver(root)
        try:
            mistakes += _beyond(site, differences(reference, picture(root, out, self.earlier, has_system=False)))
        except Exception as error:
            mistakes.append(f"the output cannot be read: {type(error).__name__}: {error}")
        end = f"exit code {result.code}" if result.code else "goes on to its end"
        verdict = "; ".join([*result.err.splitlines(), *lines])
        print(f"{site.name}: {'as it should be' if not mistakes else 'WRONG'}; {end}; {failed} writes failed;"
              f" {time.monotonic() - began:.1f} s: {verdict:.300}", flush=True)  # fmt: skip
        for mistake in mistakes[:SHOWN]:
            print(f"    {mistake}", flush=True)
        if mistakes[SHOWN:]:
            print(f"    and {len(mistakes) - SHOWN} more", flush=True)
        return not mistakes


def run(root: Path, arguments: Sequence[str]) -> Result:
    """Run ``python train.py ARGUMENTS`` in this process."""
    os.environ["AI_ROOT"] = str(root)
    sys.argv = ["train.py", *arguments, *checkpoint_argument()]
    GlobalHydra.instance().clear()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = train_entry()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:
            return Result(1, out.getvalue(), traceback.format_exc())
    return Result(code, out.getvalue(), err.getvalue())


def _beyond(site: Site, lines: list[str]) -> list[str]:
    """Return the differences that are not those of what a training may lose."""
    return [line for line in lines if not (site.loses and re.search(site.loses, line.partition(":")[0]))]


def run_apart(root: Path, arguments: Sequence[str]) -> Result:
    """Run ``python train.py ARGUMENTS`` in a process of its own."""
    words = [sys.executable, str(PROJECT / "train.py"), *arguments, *checkpoint_argument()]
    done = subprocess.run(
        words, env=os.environ | {"AI_ROOT": str(root)}, capture_output=True, text=True, timeout=300, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


def joined(first: str, second: str) -> str:
    """Join standard outputs; the line of the event that found the disk full may be in both, and counts once."""
    last = next((line for line in reversed(first.splitlines()) if METRIC_LINE.match(line)), None)
    next_one = next((line for line in second.splitlines() if METRIC_LINE.match(line)), None)
    masked = [re.sub(r"seconds=[\d.]+", "", line or "") for line in (last, next_one)]
    return first + second.replace(f"{next_one}\n", "", 1) if next_one and masked[0] == masked[1] else first + second


def deliver(root: Path) -> list[str]:
    """Bring MLflow what it lacks, or wait until a tracking process has that outlives its training."""
    words, deadline = [sys.executable, "-m", "trialmaker", "sync", str(root / "output")], time.monotonic() + 90
    while time.monotonic() < deadline:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        states = [json.loads(path.read_text()) for path in root.glob("output/logs/*/tracking.state.json")]
        if all(state["is_ended"] for state in states):
            return []
        time.sleep(1.0)
    return [f"sync: exit code {done.returncode}: {done.stdout}{done.stderr}"]


def checkpoint_argument() -> Sequence[str]:
    """Return the field of how often to write a checkpoint, where there is one."""
    return ["checkpoint.every_seconds=0.05"] if checkpoint_arguments() else []


def ensure(result: Result) -> Result:
    """Return a result that is a success."""
    if result.code:
        raise RuntimeError(f"exit code {result.code}: {result.err}")
    return result


def mistakes_of_end(result: Result) -> list[str]:
    """Return what is wrong with how a training on a full disk ended."""
    lines = result.err.splitlines()
    mistakes = []
    if result.code not in (0, 2):
        mistakes.append(f"exit code {result.code}")
    if result.code == 2 and len(lines) != 1:
        mistakes.append(f"{len(lines)} lines in place of one: {lines[:3]} … {lines[-2:]}")
    if result.code == 2 and not SPACE.search(result.err):
        mistakes.append("the line says nothing of space")
    return mistakes


def digests(output: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of an output whose content no later run may change, and what they hold."""
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.is_file() and name.startswith(("logs/", "model/1/", "mlartifacts/", "tensorboard/", "checkpoints/")):
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()


def mistakes_of_earlier(root: Path, before: dict[str, str]) -> list[str]:
    """Return what is wrong with what lay in an output before a training met a full disk."""
    output = root / "output"
    after = dict(digests(output))
    mistakes = [f"{name} of the earlier run is gone" for name in before if name not in after]
    mistakes += [
        f"{name} of the earlier run has changed" for name in before if after.get(name, before[name]) != before[name]
    ]
    best = json.loads((output / "model" / "best.json").read_text())
    if not (output / "model" / str(best["version"]) / "saved_model.pb").exists():
        mistakes.append(f"best.json names version {best['version']}, which is not there")
    connection = sqlite3.connect(output / "mlflow.db")
    with contextlib.closing(connection):
        if (verdict := connection.execute("pragma integrity_check").fetchone()[0]) != "ok":
            mistakes.append(f"mlflow.db: {verdict}")
        rows = connection.execute("select status from runs where name = 'earlier'").fetchall()
        if rows != [("FINISHED",)]:
            mistakes.append(f"mlflow.db: the earlier run is {rows}")
    return mistakes


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads of trainings that failed must not keep it
