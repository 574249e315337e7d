"""The end of a process that has TensorFlow: what is registered for it happens, but nothing is taken down."""

import subprocess
import sys

import pytest

CODE = """
import atexit, sys
from trialmaker.platform import process_end

class Held:
    def __del__(self): print("taken down")

process_end.begin()
atexit.register(print, "registered")
sys.modules["tensorflow"] = held = Held()
print("buffered", end=" ")
{end}
"""


@pytest.mark.parametrize(
    ("end", "code", "output"),
    [
        ("process_end.exit_with(3)", 3, "buffered registered\n"),
        ("sys.exit(4)", 4, "buffered registered\ntaken down\n"),
        ("del sys.modules['tensorflow']; process_end.exit_with(0)", 0, "buffered registered\ntaken down\n"),
    ],
)
def test_a_process_that_is_told_its_exit_code_ends_at_once(end: str, code: int, output: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.replace("{end}", end)], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (code, output)
