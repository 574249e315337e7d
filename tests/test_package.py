"""The package that ``pip install .`` makes works without the checkout, from any directory."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from support.entry import PROJECT, SMALL

PROGRAM = """
import numpy as np, trialmaker
(row,) = trialmaker.runs("workspace/output").itertuples()
print(row.status, trialmaker.load_model("workspace/output")(np.zeros((1, 28, 28))).shape, trialmaker.__file__)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package, whose dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("package")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", PROJECT]
    subprocess.run([*wheel, "--wheel-dir", folder], check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, *folder.glob("*.whl")], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "venv" / "bin"


def test_the_package_trains_compares_and_answers(environment: Path, tmp_path: Path) -> None:
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "TF_XLA_FLAGS") if name in os.environ}

    def run(program: str, *words: str) -> str:
        command = [str(environment / program), *words]
        return subprocess.check_output(command, cwd=tmp_path, env=variables, text=True, stderr=subprocess.STDOUT)

    printed = run("trialmaker-train", *SMALL, "training.epochs=1")
    assert "best epoch=" in printed and "; to compare runs: python -m trialmaker ui" in printed
    assert (tmp_path / "workspace" / "output" / "success").exists()
    compared = run("trialmaker", "compare")
    assert "repeat: trialmaker-train data=digits" in compared and "deploy: trialmaker-predict --model-dir" in compared
    assert "  trialmaker compare --seeds\n" in run("trialmaker", "compare", "--help")
    assert "mlp_digits" in run("trialmaker-train", "sweeps=mlp", "data=digits", "hydra.sweeper.dry_run=true")
    assert "--model-dir" in run("trialmaker-predict", "--help")
    assert run("python", "-c", PROGRAM).startswith(f"FINISHED (1, 10) {environment.parent}")
