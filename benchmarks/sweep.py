"""A study on MNIST beside the same search by hydra-optuna-sweeper with Keras ``fit``, and by keras-tuner's Hyperband.

All search learning rate, width and dropout of 784-w-w-10 in the same space, Adam, batch 128, one worker on one core.
The searches of a seed run in turn, and the seeds share out the cores. The clock runs from the command's start. Of each
seed, the best value of hydra-optuna-sweeper at its end is the target: what counts is when the others reach it, and how
good they are in the end.

They differ in more than speed: ``sweeps/mlp.yaml`` anneals the learning rate, prunes, and tries a known point first;
the peers keep the rate constant. Variants of ours take one of these away each.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from support.measure import PROJECT, mnist
from support.peer import environment, write_arrays
from support.table import Row, record

PEERS = PROJECT / "benchmarks" / "peers"
SWEEPER, TUNER, OURS = "hydra-optuna-sweeper", "keras-tuner Hyperband", "ours"
VARIANTS = {
    OURS: [],
    "ours, no known point": ["hydra.sweeper.enqueue=[]"],
    "ours, constant rate": ["schedule=constant"],
}


@dataclass
class Search:
    """What is kept of a search: its seconds, and of each trial the seconds until its end, and its value."""

    seconds: float
    trials: list[tuple[float, float]]
    test_accuracy: float | None = None

    def best(self) -> float:
        """Return the best value of all trials."""
        return max(value for _, value in self.trials)

    def seconds_to(self, target: float) -> float | None:
        """Return the seconds until a trial has ended whose value is at least `target`; None without one."""
        return min((seconds for seconds, value in self.trials if value >= target), default=None)


def main() -> None:
    """Search seed by seed; print a line for each search, then the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--trials", type=int, default=30, help="of ours and of hydra-optuna-sweeper; default 30")
    parser.add_argument("--seeds", type=int, nargs="+", default=[9, 10, 11, 12, 13], help="default: 9 10 11 12 13")
    others = [TUNER, *VARIANTS]
    text = f"of {'; '.join(others)}; default: {TUNER}; {OURS}"
    parser.add_argument("--beside", nargs="*", choices=others, default=[TUNER, OURS], metavar="SEARCH", help=text)
    parser.add_argument("--longest", type=float, default=300, metavar="SECONDS", help="of the Hyperband; default 300")
    parser.add_argument("--results", type=Path, help="folder of JSON files; a search that is there is not repeated")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, results = Path(folder), args.results or Path(folder)
        results.mkdir(parents=True, exist_ok=True)
        write_arrays(root)
        for name in {SWEEPER, TUNER} & {SWEEPER, *args.beside}:  # before several threads would make them
            _peer(name)
        cores: queue.SimpleQueue[int] = queue.SimpleQueue()
        for core in sorted(os.sched_getaffinity(0)):
            cores.put(core)
        with ThreadPoolExecutor(cores.qsize()) as pool:
            of_seeds = list(pool.map(lambda seed: _of_seed(seed, cores, args, root, results), args.seeds))
    searches = {name: [of_seed[name] for of_seed in of_seeds] for name in (SWEEPER, *args.beside)}
    _report(searches)
    if TUNER in searches and OURS in searches:
        record("sweep", _rows(searches))


def _of_seed(
    seed: int, cores: "queue.SimpleQueue[int]", args: argparse.Namespace, root: Path, results: Path
) -> dict[str, Search]:
    """Return the searches of a seed, by name, which run in turn on a core of their own; print a line for each."""
    core, target, searches = cores.get(), 0.0, {}
    os.sched_setaffinity(0, {core})  # of this thread, and the processes that it starts
    try:
        for name in (SWEEPER, *args.beside):
            searches[name] = _search(name, seed, target, args, root, results)
            target = target or searches[name].best()
            print(f"seed {seed}: {name}: {_line(searches[name], target)}", flush=True)
    finally:
        cores.put(core)
    return searches


def _rows(searches: dict[str, list[Search]]) -> list[Row]:
    """Return rows for the table: of seeds where ours reached the target, its seconds; and the best values."""
    targets = [search.best() for search in searches[SWEEPER]]
    reached = [search.seconds_to(target) for search, target in zip(searches[OURS], targets, strict=True)]
    own = [seconds for seconds in reached if seconds is not None]
    whole = [one.seconds for one in searches[SWEEPER]]
    peers = {f"the whole search of {SWEEPER}": whole, TUNER: _to(searches[TUNER], targets)}
    others = {name: [one for one, ours in zip(some, reached, strict=True) if ours] for name, some in peers.items()}
    best = {name: [search.best() for search in some] for name, some in searches.items()}
    bests = ", ".join(f"{name} {statistics.median(values):.4f}" for name, values in best.items())
    work = f"a study, to the best value of {SWEEPER}, in {len(own)} of {len(targets)} seeds (best in the end: {bests})"
    return [Row(work, "s", own, others)] if own else []


def _search(name: str, seed: int, target: float, args: argparse.Namespace, root: Path, results: Path) -> Search:
    """Return a search, from its file or run now."""
    path = results / f"{name.replace(' ', '_').replace(',', '')}-{seed}-{args.trials}.json"
    if path.exists():
        return Search(**json.loads(path.read_text()))
    if name == SWEEPER:
        search = run_sweeper(root, seed, args.trials)
    elif name == TUNER:
        search = run_tuner(root, seed, target, args.longest)
    else:
        search = run_ours(root / path.stem, seed, args.trials, VARIANTS[name])
    path.write_text(json.dumps(asdict(search)))
    return search


def run_ours(root: Path, seed: int, trials: int, overrides: Iterable[str]) -> Search:
    """Run this project's study."""
    fixed = ["sweeps=mlp", f"seed={seed}", f"data.directory={mnist()}", f"hydra.sweeper.n_trials={trials}"]
    start = time.time()
    seconds = _run([sys.executable, "train.py", *fixed, *overrides], PROJECT, {"AI_ROOT": str(root)})
    return read_study(root / "output", start, seconds)


def read_study(output: Path, start: float, seconds: float) -> Search:
    """Return what a study left in its storage, and the best model's test accuracy."""
    from optuna import get_all_study_names, load_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    storage = JournalStorage(JournalFileBackend(str(output / "studies" / "mlp.log")))
    study = load_study(study_name=get_all_study_names(storage)[0], storage=storage)
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    trials = [
        (trial.datetime_complete.timestamp() - start, trial.value)
        for trial in ended
        if trial.datetime_complete and trial.value is not None
    ]
    best = json.loads((output / "model" / "best.json").read_text())
    return Search(seconds, trials, best["metrics"].get("test_accuracy"))


def run_sweeper(root: Path, seed: int, trials: int) -> Search:
    """Run the search by hydra-optuna-sweeper."""
    words = [PEERS / "optuna_sweeper_fit.py", trials, seed, "-m", f"hydra.sweep.dir={root}/sweeper-{seed}"]
    return _run_peer(_peer(SWEEPER), words, root, f"sweeper-{seed}")


def run_tuner(root: Path, seed: int, target: float, longest: float) -> Search:
    """Run the search by keras-tuner until the target is reached."""
    return _run_peer(_peer(TUNER), [PEERS / "keras_tuner_hyperband.py", seed, target, longest], root, f"tuner-{seed}")


def _peer(name: str) -> Path:
    """Return the Python of a peer's environment, which is made once."""
    if name == SWEEPER:
        return environment("hydra-optuna-sweeper", "hydra-optuna-sweeper==1.3.0", "hydra-core<1.4")
    return environment("keras-tuner", "keras-tuner==1.4.8", f"keras=={version('keras')}")


def _run_peer(python: Path, words: Iterable[object], root: Path, name: str) -> Search:
    data, lines = root / "mnist.npz", root / f"{name}.jsonl"
    start = time.time()
    seconds = _run([python, *words], root, {"PEER_DATA": str(data), "PEER_TRIALS": str(lines)})
    trials = [json.loads(line) for line in lines.read_text().splitlines()]
    return Search(seconds, [(trial["ended"] - start, trial["value"]) for trial in trials])


def _run(command: Iterable[object], cwd: Path, variables: dict[str, str]) -> float:
    """Run a command; return its seconds. Exit if it fails."""
    start = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit((done.stdout + done.stderr)[-5000:])
    return time.monotonic() - start


def _line(search: Search, target: float) -> str:
    reached = search.seconds_to(target)
    words = f"{len(search.trials)} trials to their end in {search.seconds:.0f} s, best {search.best():.4f}; "
    words += f"{target:.4f} " + ("not reached" if reached is None else f"after {reached:.0f} s")
    return words + (f"; test accuracy {search.test_accuracy:.4f}" if search.test_accuracy else "")


def _report(searches: dict[str, list[Search]]) -> None:
    """Print of each search its best values, and the peers' seconds in multiples of its seconds to the target."""
    sweeper = searches[SWEEPER]
    targets = [search.best() for search in sweeper]
    for name, own in searches.items():
        reached = [search.seconds_to(target) for search, target in zip(own, targets, strict=True)]
        gains = [search.best() - target for search, target in zip(own, targets, strict=True)]
        print(f"{name}: seconds {_spread([search.seconds for search in own], 0)};", end=" ")
        print(f"best val_accuracy {_spread([search.best() for search in own], 4)}, beside {SWEEPER}", end=" ")
        print(f"{_spread(gains, 4)}; its best value reached in {sum(one is not None for one in reached)} of {len(own)}")
        peers = {SWEEPER: [one.seconds for one in sweeper]}
        peers |= {TUNER: _to(searches[TUNER], targets)} if TUNER in searches else {}
        for peer, theirs in peers.items():
            ratios = [b / a for a, b in zip(reached, theirs, strict=True) if a]
            if ratios and name not in (SWEEPER, TUNER):
                print(f"    {peer} takes {_spread(ratios, 1)} times as long")


def _to(searches: list[Search], targets: list[float]) -> list[float]:
    """Return the seconds to the targets; of a search that did not reach its own, its whole time: a lower bound."""
    pairs = zip(searches, targets, strict=True)
    return [search.seconds if (one := search.seconds_to(target)) is None else one for search, target in pairs]


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
