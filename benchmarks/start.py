"""From the command to the first training step, tracking included, beside ``import tensorflow`` alone, in turn.

python benchmarks/start.py [rounds]
"""

import os
import subprocess
import sys
import tempfile
import time

from measure import PROJECT, alternate, mnist, report


def first_step() -> None:
    """Start a run with a new output directory, and wait for the line of its first step."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        command = [sys.executable, "train.py", f"data.directory={mnist()}", "training.log_every_steps=1"]
        process = subprocess.Popen(
            command, cwd=PROJECT, env=os.environ | {"AI_ROOT": root}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        found = any(line.startswith("step 1,") for line in process.stdout)
        first_step.seconds.append(time.perf_counter() - first_step.began)
        process.kill()
        process.stdout.close()
        process.wait()
        if not found:
            raise SystemExit("the run ended before its first step")
        time.sleep(3)  # its tracking process ends too, before the directory goes


def import_tensorflow() -> None:
    """What every TensorFlow program pays."""
    subprocess.run([sys.executable, "-c", "import tensorflow"], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    first_step.seconds = []

    def timed() -> None:
        first_step.began = time.perf_counter()
        first_step()

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = alternate({"import tensorflow": import_tensorflow, "to the first step": timed}, rounds=rounds + 1)
    seconds["to the first step"] = first_step.seconds
    report({name: values[1:] for name, values in seconds.items()}, "import tensorflow")
