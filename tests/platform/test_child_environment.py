"""The environment of the processes beside a training, and what is imported from the current directory: nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.tracking.connection import Connection

ATTACK = "import pathlib\npathlib.Path({!r}).touch()\n"
SHOW = """
import json, os
from trialmaker.platform.child_environment import child_environment
os.environ |= {"PYTHONPATH": "/of/a/config", "PYTHONSTARTUP": "/x.py", "LD_PRELOAD": "/x.so", "SECRET": "s3cret"}
os.environ |= {"AWS_SESSION_TOKEN": "of a wrapper"}
del os.environ["OLD"]
print(json.dumps(child_environment(without=("MLFLOW_RUN",))))
"""


def test_only_settings_and_keys_are_passed_on_and_code_as_the_person_named_it() -> None:
    started = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "src"), "HOME": "/home/me", "LANG": "C.UTF-8"}
    started |= {"https_proxy": "http://p", "AWS_SECRET_ACCESS_KEY": "k", "MLFLOW_TRACKING_TOKEN": "t"}
    started |= {"NETRC": "/home/me/netrc", "CONDA_PREFIX": "/conda", "KMP_AFFINITY": "none", "OPENSSL_CONF": "/o"}
    started |= {"MLFLOW_RUN_NAME": "r", "MODELMAKER_SK": "s", "OLD": "o"}
    done = subprocess.run([sys.executable, "-c", SHOW], env=started, capture_output=True, text=True, check=True)
    del started["MLFLOW_RUN_NAME"], started["MODELMAKER_SK"], started["OLD"]
    started["AWS_SESSION_TOKEN"] = "of a wrapper"
    assert {name: value for name, value in json.loads(done.stdout).items() if name != "LC_CTYPE"} == started


def test_a_module_that_a_config_brings_does_not_run_in_the_tracking_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked = tmp_path / "attacked"
    (tmp_path / "sitecustomize.py").write_text(ATTACK.format(str(attacked)))
    (tmp_path / "mlflow.py").write_text(ATTACK.format(str(attacked)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # as hydra.job.env_set does
    monkeypatch.setenv("SECRET", "s3cret")
    connection = Connection(tmp_path / "tracking.log")
    passed = Path(f"/proc/{connection.process.pid}/environ").read_bytes()
    connection.close()
    assert connection.process.returncode == 0, (tmp_path / "tracking.log").read_text()
    assert not attacked.exists()
    assert b"s3cret" not in passed and str(tmp_path).encode() not in passed


def test_a_command_runs_no_module_of_the_current_directory(tmp_path: Path) -> None:
    attacked = tmp_path / "attacked"
    for name in ("click", "hydra", "json", "numpy", "mlflow", "psutil", "yaml", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(ATTACK.format(str(attacked)))
    command = [sys.executable, "-m", "trialmaker", "compare", "."]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src"), "AI_ROOT": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("trialmaker: error: "), done.stderr
    assert not attacked.exists()


def test_each_python_that_is_started_by_a_modules_name_looks_not_in_the_current_directory() -> None:
    text = "".join(path.read_text() for path in (PROJECT / "src").rglob("*.py"))
    starts = re.findall(r'\S+ "-m", (?:"(?:mlflow|pip|venv|trialmaker\.[\w.]+)"|[A-Z_]+)', text)
    assert len(starts) >= 5 and all("-P" in start for start in starts), starts
