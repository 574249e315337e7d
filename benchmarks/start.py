"""Seconds from the command to the first training step, tracking included, beside ``import tensorflow`` alone, in turn.

python benchmarks/start.py [--rounds N]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from support.measure import PROJECT, mnist, report
from support.table import Row, record


def first_step() -> float:
    """Start a run with a new output directory; return the seconds until it prints the line of its first step."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        command = [sys.executable, "train.py", f"data.directory={mnist()}", "training.log_every_steps=1"]
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=PROJECT, env=os.environ | {"AI_ROOT": root}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        has_stepped = any(line.startswith("step 1,") for line in process.stdout)
        seconds = time.perf_counter() - start
        process.kill()
        process.stdout.close()
        process.wait()
        if not has_stepped:
            raise SystemExit("the run ended before its first step")
        time.sleep(3)  # its tracking process ends too, before the directory goes
    return seconds


def import_tensorflow() -> float:
    """Return the seconds that every TensorFlow program pays."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import tensorflow"], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(rounds: int) -> None:
    """Alternate; a first round, which fills the disk cache, is not counted."""
    tasks = {"import tensorflow": import_tensorflow, "to the first step": first_step}
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds + 1):
        for name, task in tasks.items():
            seconds[name].append(task())
    measured = {name: values[1:] for name, values in seconds.items()}
    report(measured, "import tensorflow")
    alone, ours = measured.values()
    record("start", [Row("from the command to the first step", "s", ours, {"`import tensorflow` alone": alone})])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    main(parser.parse_args().rounds)
