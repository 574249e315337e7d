"""A signal that TensorFlow has taken while it connected reaches the process all the same."""

import subprocess
import sys
from pathlib import Path

from support.servers import free_port
from support.waiting import HANG_SECONDS

PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from trialmaker.experiment.tensorflow_import import importing_tensorflow
with importing_tensorflow(Path(sys.argv[2]), is_shown=False):  # in half the time
    from trialmaker.training.preemption_notice import pass_on_signal
    from trialmaker.training.replicas import Replicas
numbers = []
note = lambda number, frame: numbers.append(number)
signal.signal(signal.SIGTERM, note)
Replicas.connect([sys.argv[1]], 0)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
print(numbers, end="")
signal.signal(signal.SIGTERM, note)
others = threading.enumerate()
pass_on_signal(lambda: False)
[thread.join() for thread in threading.enumerate() if thread not in others]
print(numbers, end="")
pass_on_signal(lambda: True)
for _ in range(2000):
    time.sleep(0.05 * (not numbers))
print(numbers, flush=True)
os._exit(0)
"""


def test_a_signal_that_came_while_tensorflow_connected_comes_a_second_later_if_none_has_come(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, f"127.0.0.1:{free_port()}", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert ended.stdout == "[][][15]\n", ended.stderr[-500:]
