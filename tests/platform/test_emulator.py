"""``python -m trialmaker job``: the platform emulated, here with small boot files in place of a training."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trialmaker.cli.main import main
from trialmaker.platform import paths
from trialmaker.platform.bilingual_texts import split_line
from trialmaker.platform.emulator import instances, job, process

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code directory with a boot file, tracked by git."""
    folder = tmp_path / "code"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "train.py").write_text("")
    (folder / "requirements.txt").write_text("")
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    return folder


@pytest.fixture
def run(code: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, boot: str = "") -> tuple[int, str, str]:
        (code / "train.py").write_text(f"import json, os, pathlib, signal, sys, time\n{boot}\n")
        exit_code = main(["job", "--code", str(code), "--output", str(code.parent / "jobs"), *arguments])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return run


def states(out: str) -> list[str]:
    found = re.findall(r"^\[\d\d:\d\d:\d\d\] (.*)$", out, re.MULTILINE)
    parts = [split_line(state) for state in found]
    assert all(chinese for _, chinese in parts)
    return [re.sub("^STARTING: .*", "STARTING", english) for english, _ in parts]


def test_a_job_passes_through_the_platforms_states_and_leaves_its_output(run: Run, code: Path) -> None:
    boot = "pathlib.Path(os.environ['AI_ROOT'], 'output', 'model').mkdir(); print('step 1, loss 0.5, accuracy 0.25')"
    for version in ("V0001", "V0002"):
        exit_code, out, _ = run(boot=boot)
        assert exit_code == 0
        assert states(out) == ["STARTING", "DOWNLOAD_DATA", "TRAINING", "FINISH"]
        assert f"output: {code.parent / 'jobs' / version}\n" in out
        assert (code.parent / "jobs" / version / "model").is_dir()
    assert re.search(r"^ +training accuracy +0.25 +\(1 values\)$", out, re.MULTILINE)


def test_jobs_lie_in_the_root_that_the_environment_names(
    code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(code.parent / "elsewhere"))
    assert main(["job", "--code", str(code)]) == 0
    assert f"output: {code.parent / 'elsewhere' / 'jobs' / 'V0001'}\n" in capsys.readouterr().out


def test_the_process_has_the_parameters_the_inputs_and_nothing_else(
    run: Run, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    data = code.parent / "pictures"
    data.mkdir()
    (data / "one.png").touch()
    (code.parent / "weights.h5").touch()
    (code / "scrap.py").touch()
    (code / "shapes" / "train").mkdir(parents=True)
    for number in range(20):
        (code / "shapes" / "train" / f"{number}.png").touch()
    boot = """
root = pathlib.Path(os.environ["AI_ROOT"])
print(json.dumps({"argv": sys.argv[1:], "environment": sorted(os.environ), "here": sorted(os.listdir()),
    "tree": sorted(str(p.relative_to(root)) for p in root.rglob("*") if "src/" not in str(p))}))"""
    words = '--model cnn --name "a b" x=[1,2]'
    exit_code, out, _ = run(
        "--data", str(data), "--input", f"init_model={code.parent / 'weights.h5'}", "--args", words, boot=boot
    )
    assert exit_code == 0
    assert "left out, since git does not track them: scrap.py, shapes/\n" in out
    seen = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    assert seen["argv"] == ["--model", "cnn", "--name", "a b", "x=[1,2]"]
    assert set(seen["environment"]) <= {"PATH", "HOME", "LANG", "AI_ROOT", "LC_CTYPE"}
    assert seen["here"] == ["requirements.txt", "train.py"]
    assert seen["tree"] == [
        *("config", "config/resource.json", "input", "input/data", "input/data/one.png"),
        *("input/init_model", "input/init_model/weights.h5", "output", "src"),
    ]


@pytest.mark.parametrize(
    ("boot", "cause", "code_left"),
    [
        ("sys.exit(2)", "exit code 2 / 训练失败：退出码 2", 2),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL / 训练失败：被信号 SIGKILL 强制终止", 137),
        (
            "pathlib.Path(os.environ['AI_ROOT'], 'output', 'failure').write_text('no data\\nmore\\n'); sys.exit(1)",
            "exit code 1, no data / 训练失败：退出码 1",
            1,
        ),
        (
            "pathlib.Path(os.environ['AI_ROOT'], 'output', 'failure').write_text('no data / 没有数据'); sys.exit(1)",
            "exit code 1, no data / 训练失败：退出码 1，没有数据",
            1,
        ),
    ],
)
def test_a_job_that_fails_says_why_and_keeps_its_output(run: Run, boot: str, cause: str, code_left: int) -> None:
    exit_code, out, _ = run(boot=boot)
    assert exit_code == code_left
    assert f"] TRAINING_FAIL: {cause}\n" in out


def test_the_limit_sends_sigterm_and_the_log_goes_on(run: Run) -> None:
    boot = "signal.signal(15, lambda *_: (print('ending'), sys.exit(143)))\nprint('begun', flush=True)\ntime.sleep(600)"
    exit_code, out, _ = run("--max-seconds", "2", boot=boot)
    assert exit_code == 143
    assert states(out)[-2:] == ["STOPPING: max_seconds=2 are over; SIGTERM", "TRAINING_FAIL: exit code 143"]
    assert "begun\n" in out and "ending\n" in out


def test_sigkill_comes_to_who_does_not_heed_sigterm(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "GRACE_SECONDS", 0.3)
    boot = "signal.signal(15, signal.SIG_IGN)\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(600)"
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 137
    assert states(out)[-2:] == ["STOPPING: SIGKILL", "TRAINING_FAIL: killed by SIGKILL"]


def test_ctrl_c_stops_the_job_in_order_and_keeps_its_output(run: Run, code: Path) -> None:
    boot = """
signal.signal(15, lambda *_: sys.exit(143))
pathlib.Path(os.environ["AI_ROOT"], "output", "half").touch()
os.kill(os.getppid(), signal.SIGINT)
time.sleep(600)"""
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 143
    assert "STOPPING: as requested; SIGTERM" in states(out)
    assert (code.parent / "jobs" / "V0001" / "half").exists()


def test_instances_know_of_each_other_and_share_the_machine(run: Run, code: Path) -> None:
    boot = """
root = pathlib.Path(os.environ["AI_ROOT"])
resource = json.loads((root / "config" / "resource.json").read_text())
print("instance", resource["index"], flush=True)
(root / "output" / "seen").write_text(json.dumps([resource, sorted(os.sched_getaffinity(0))]))
sys.exit(resource["index"] == 1)"""
    cores = os.sched_getaffinity(0)
    exit_code, out, _ = run("--instances", "3", boot=boot)
    assert exit_code == 1 and states(out)[-1] == "TRAINING_FAIL: instance 2: exit code 1"
    lines = {line for line in out.splitlines() if "instance " in line and "FAIL" not in line}
    assert lines == {"instance 0", "[2] instance 1", "[3] instance 2"}
    version = code.parent / "jobs" / "V0001"
    assert {path.name for path in version.iterdir()} == {"seen", "instance-2", "instance-3"}
    outputs = (version, version / "instance-2", version / "instance-3")
    resources, shares = zip(*(json.loads((output / "seen").read_text()) for output in outputs), strict=True)
    ports = [address["port"] for address in resources[0]["instances"]]
    assert len(ports) == 3 and ports[1] - ports[0] == ports[2] - ports[1] == 10
    assert [resource["index"] for resource in resources] == [0, 1, 2]
    assert all(resource["instances"] == resources[0]["instances"] for resource in resources)
    assert {core for share in shares for core in share} == cores == os.sched_getaffinity(0) and all(shares)
    if len(cores) >= 3:
        assert sum(map(len, shares)) == len(cores)


def test_ports_that_others_have_are_not_given() -> None:
    ports = instances.free_ports(10)
    with socket.socket() as one:
        one.bind(("127.0.0.1", ports[3] + 1))
        one.listen()
        others = instances.free_ports(10)
    assert not set(ports) & set(others) and max(others) < 32768  # where the ports of connections begin


def test_install_makes_an_environment_first(run: Run) -> None:
    exit_code, out, _ = run("--install", boot="print(sys.prefix)")
    assert exit_code == 0
    assert str(Path(sys.prefix)) not in out.splitlines()
    assert states(out) == ["STARTING", "DOWNLOAD_DATA", "TRAINING", "FINISH"]


def test_what_cannot_be_installed_is_a_starting_fail(run: Run, code: Path) -> None:
    (code / "requirements.txt").write_text("./there/is/no/such/wheel.whl\n")
    exit_code, out, _ = run("--install")
    assert exit_code == 1
    assert states(out)[-1] == "STARTING_FAIL: could not install requirements.txt:"
    assert "wheel.whl" in out


@pytest.mark.parametrize(
    ("arguments", "mistakes"),
    [
        (["--data", "nowhere"], ["nowhere: there is no such file or folder"]),
        (["--instances", "11"], ["--instances 11: must be 1 to 10"]),
        (
            ["--max-seconds", "0", "--args", "'"],
            ["--max-seconds 0: must be more than 0", "--args ': cannot be parted into words: No closing quotation"],
        ),
        (["--input", "x"], ["--input x: expected NAME=DIR, with a name used once; --data is the input named data"]),
    ],
)
def test_mistakes_are_a_line_each(run: Run, arguments: list[str], mistakes: list[str]) -> None:
    assert run(*arguments) == (2, "", "".join(f"trialmaker: error: {mistake}\n" for mistake in mistakes))


def test_code_outside_of_git_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "--code", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"trialmaker: error: {tmp_path}: expected a git checkout, since the job gets the files that git tracks;"
        " try git add\n"
    )


def test_an_output_that_cannot_be_written_to_is_refused_before_the_training(run: Run, code: Path) -> None:
    (code.parent / "jobs").write_text("no folder")
    assert run(boot="print('trained')") == (
        2,
        "",
        f"trialmaker: error: --output {code.parent / 'jobs'}: File exists:"
        " it must be a folder that can be written to\n",
    )


def test_the_results_of_runs_and_of_trials_are_shown(run: Run) -> None:
    boot = """
result = {"command": "c", "status": "finished", "objective": "val_accuracy", "model_directory": "model/1"}
result |= {"best_epoch": 2, "best_metrics": {"val_loss": 1.0, "val_accuracy": 0.5}, "test_metrics": {"test_loss": 0.25}}
trials = [{"command": "c", "status": status, "trial": n} for n, status in enumerate(["finished", "pruned", "pruned"])]
for number, one in enumerate([result, *trials]):
    folder = pathlib.Path(os.environ["AI_ROOT"], "output", "logs", str(number))
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(one))"""
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 0
    assert "result: logs/0: finished best epoch=2 val_accuracy=0.5000 test_loss=0.2500 model=model/1\n" in out
    assert "result of trials: 1 finished, 2 pruned\n" in out and out.count("\nresult") == 2


def test_links_of_the_code_and_of_the_output_are_kept(run: Run, code: Path) -> None:
    (code / "lib").mkdir()
    (code / "lib" / "words.py").write_text("WORD = 'found'")
    (code / "linked").symlink_to("lib")
    (code / "caf\udce9.txt").touch()  # a name that is no UTF-8
    (code / "gone.py").touch()
    subprocess.run(["git", "-C", code, "add", "."], check=True)
    (code / "gone.py").unlink()
    boot = """
from linked import words
print(words.WORD)
pathlib.Path(os.environ["AI_ROOT"], "output", "dangling").symlink_to("nowhere")"""
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 0 and "found\n" in out
    assert "left out, since they are gone: gone.py\n" in out
    assert (code.parent / "jobs" / "V0001" / "dangling").is_symlink()


def test_data_that_cannot_be_copied_are_a_starting_fail(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "broken").symlink_to("nowhere")
    exit_code, out, _ = run("--data", str(data), boot="print('trained')")
    assert exit_code == 1
    assert states(out)[-1].startswith(f"STARTING_FAIL: {data / 'broken'}: ") and "trained" not in out


def test_what_a_job_leaves_running_is_ended_before_its_output_is_copied(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LEFTOVER_SECONDS", 0.5)
    boot = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid)"""
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 0
    child = re.search(r"^child (\d+)$", out, re.MULTILINE)
    command = Path(f"/proc/{child[1] if child else ''}/cmdline")
    assert child and not (command.exists() and command.read_bytes()), "it lives"


def test_a_log_of_long_lines_and_odd_bytes_is_shown_in_time(run: Run) -> None:
    boot = """
print("x" * 300_000, flush=True)
sys.stdout.buffer.write(b"\\xff\\n")
print("step 1, loss 0.5, training accuracy 1.0")"""
    before = time.process_time()
    exit_code, out, _ = run(boot=boot)
    assert exit_code == 0 and time.process_time() - before < 10  # seconds of CPU; it took minutes
    assert re.search(r"^ +loss +0.5 +\(1 values\)$", out, re.MULTILINE)


def test_a_reader_who_goes_away_does_not_end_the_training(code: Path) -> None:
    (code / "train.py").write_text(
        "import time, os, pathlib\nfor n in range(20): print('line', n, flush=True); time.sleep(0.05)\n"
        "pathlib.Path(os.environ['AI_ROOT'], 'output', 'end').touch()\n"
    )
    command = f"{sys.executable} -m trialmaker job --code {code} --output {code.parent / 'jobs'} | head -4"
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    assert (code.parent / "jobs" / "V0001" / "end").exists()


def test_an_installed_package_asks_for_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "IS_INSTALLED", True)
    assert main(["job", "--output", str(tmp_path)]) == 2
    assert "--code: is needed where TrialMaker is an installed package: a checkout" in capsys.readouterr().err
