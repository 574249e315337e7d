"""The calls of a study's storage for one trial, and what serving them costs the process that holds the storage.

python benchmarks/storage_calls.py [trials] [--workers 1 2 4] [--steps 3] [--seconds 0.2] [--pruner none]

The sweeper's real workers, whose task reports so many values at once and waits, on the sweeper's own gRPC proxy of a
journal file in this process, which counts. Capacity is what one core serves: calls wait for each other in the proxy,
because Python runs one of them at a time. The last column is what ``scaling_simulation`` expects of such workers, with
the constants of the first line.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from support.measure import PROJECT

# isort: split
from optuna import load_study

from optuna_sweep.proxy_server import serving
from optuna_sweep.storage import open_storage
from scaling_simulation import Proxy, simulate_study

sys.path.append(str(PROJECT / "tests"))

from support.servers import free_port

APP = PROJECT / "tests" / "support" / "sweep_app"


class Counting(grpc.ServerInterceptor):
    """Counts calls by their name."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Count the call, and go on."""
        with self.lock:
            self.calls[details.method.rpartition("/")[2]] += 1
        return continuation(details)


def run_study(root: Path, trials: int, workers: int, args: argparse.Namespace) -> dict[str, Any]:
    """Return the calls, the processor seconds of serving them, and the trials per second without the first and last."""
    counting, root = Counting(), root / str(workers)
    root.mkdir()
    port = free_port()
    with serving(open_storage(str(root / "study.log")), f"127.0.0.1:{port}", (counting,)):
        words = [f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.n_jobs={workers}", f"steps={args.steps}"]
        words += [f"sleep={args.seconds}", f"hydra.sweeper.storage='grpc://127.0.0.1:{port}'"]
        words += ["hydra/sweeper/sampler=random", f"hydra/sweeper/pruner={args.pruner}"]
        path = os.pathsep.join([str(PROJECT / "src"), str(APP)])
        environment = os.environ | {"SWEEP_ROOT": str(root), "PYTHONPATH": path}
        before = time.process_time()
        subprocess.run(
            [sys.executable, str(APP / "app.py"), "-m", *words], cwd=root, env=environment, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        served = time.process_time() - before
    study = load_study(study_name="study", storage=open_storage(str(root / "study.log")))
    ends = sorted(trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete)
    inner = ends[workers:-workers]
    return {"calls": counting.calls, "served": served, "rate": (len(inner) - 1) / (inner[-1] - inner[0])}


def main() -> None:
    """Print a line for each number of workers, and the calls of a trial by their name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trials", type=int, nargs="?", default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--pruner", default="none")
    args = parser.parse_args()
    print("| workers | calls a trial | ms of serving a call | capacity, trials/s | trials/s | simulated |")
    proxy: Proxy | None = None
    alone = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for workers in args.workers:
            found = run_study(Path(folder), args.trials, workers, args)
            count = sum(found["calls"].values())
            if proxy is None:
                proxy = Proxy(found["served"] / count, 0.0, round(count / args.trials))
                alone = workers / found["rate"] - proxy.calls * proxy.call_seconds
            expected = simulate_study(proxy, workers, alone, args.trials, 0.0, 0)
            print(
                f"| {workers} | {count / args.trials:.1f} | {1000 * found['served'] / count:.2f}"
                f" | {args.trials / found['served']:.0f} | {found['rate']:.2f} | {expected:.2f} |",
                flush=True,
            )
    for name, calls in found["calls"].most_common():
        print(f"{calls / args.trials:6.2f} {name}")


if __name__ == "__main__":
    main()
