"""The data layer is loaded beside TensorFlow, and so never waits for it, or for anything else that is slow."""

import os
import subprocess
import sys

CODE = """
import sys
from trialmaker.data import digits, images, mnist
heavy = {"tensorflow", "keras", "mlflow", "sklearn", "scipy", "PIL", "tqdm", "pandas", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""


def test_nothing_heavy_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
