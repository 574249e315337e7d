"""The data modules import nothing slow: data are loaded while TensorFlow is imported."""

import os
import subprocess
import sys

CODE = """
import sys
from trialmaker.data import digits, image_folders, mnist
heavy = {"tensorflow", "keras", "mlflow", "sklearn", "scipy", "PIL", "tqdm", "pandas", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""


def test_nothing_heavy_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
