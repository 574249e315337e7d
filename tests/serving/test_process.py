"""The service's process: its start, its workers, and its end."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import flatbuffers
import numpy as np
import psutil
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from support.servers import free_port
from support.service import IMAGE, JSON, PREDICT, best_version, command, serving
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.model_store import saved_model
from trialmaker.model_store.versions import LITERT_FILE, find_version
from trialmaker.serving import listening, predictor, settings, stop_signals, trial_load


def test_a_service_that_is_stopped_answers_all_that_it_accepted(published: Path) -> None:
    """10,000 requests on 50 connections; the service is stopped in their midst."""
    raw = json.dumps(IMAGE).encode()
    answered = [0] * 50
    broken: list[str] = []
    with serving(published) as service:

        def call(number: int) -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=HANG_SECONDS)) as connection:
                use(number, connection)

        def use(number: int, connection: http.client.HTTPConnection) -> None:
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            for _ in range(200):
                try:
                    connection.request("POST", PREDICT, raw, JSON)
                    answer = connection.getresponse()
                    body = answer.read()
                except OSError as error:
                    broken.append(f"{number}: {error!r}")
                    return
                if answer.status != 200 or not body.endswith(b"}]}"):
                    broken.append(f"{number}: {answer.status} {body[-100:]!r}")
                answered[number] += 1
                if answer.getheader("connection") == "close":
                    return

        threads = [threading.Thread(target=call, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        wait_until(lambda: broken or sum(answered) >= 1000)
        code, _, err = service.stop()
        for thread in threads:
            thread.join(timeout=HANG_SECONDS)
    assert broken == []
    assert 1000 <= sum(answered) < 10_000
    assert (code, err) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_several_workers_serve_and_stop_together(published: Path, number: signal.Signals) -> None:
    with serving(published, "--workers", "2") as service:
        assert service.process.stdout
        said = service.process.stdout.readline()  # of one worker, which may be ready later than the other
        said += service.process.stdout.readline()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: service.ask(PREDICT, IMAGE).status, range(200)))
        assert answers == [200] * 200
        line = 'trialmaker_requests_total{path="/ModelMaker/predict",status="200"} 200.0'  # of both workers
        wait_until(lambda: line in service.ask("/metrics").body.decode())  # counted after the answer
        code, out, err = service.stop(number)
    assert (code, err) == (0, "")
    assert (said + out).count("serving mlp version") == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_started_them_and_leave_no_files(
    published: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Their metrics lie in a folder that only their owner can read."""
    with serving(published, "--workers", "2", TMPDIR=str(tmp_path)) as service:
        wait_until(lambda: len(psutil.Process(service.process.pid).children()) == 2)
        children = psutil.Process(service.process.pid).children()
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == os.getuid()
        service.process.send_signal(number)
        assert psutil.wait_procs(children, timeout=HANG_SECONDS)[1] == []
        service.process.wait(timeout=HANG_SECONDS)
    if number == signal.SIGKILL:  # what is left, the next start clears
        with serving(published, TMPDIR=str(tmp_path)) as service:
            assert not folder.exists()
            service.stop()
    wait_until(lambda: [*tmp_path.iterdir()] == [])


def test_a_worker_that_dies_beside_a_broken_version_does_not_end_the_others(published: Path, tmp_path: Path) -> None:
    shutil.copytree(best_version(published), tmp_path / "1")
    with serving(tmp_path, "--workers", "2") as service:
        process = psutil.Process(service.process.pid)
        wait_until(lambda: service.ask(PREDICT, IMAGE).status == 200 and len(process.children()) == 2)
        shutil.copytree(best_version(published), tmp_path / ".2")
        (tmp_path / ".2" / "assets" / "class_names.json").write_text("broken")
        (tmp_path / ".2").rename(tmp_path / "2")
        dead = process.children()[1]
        dead.kill()
        time.sleep(4)  # in which it cannot be replaced
        assert service.ask(PREDICT, IMAGE).status == 200
        shutil.rmtree(tmp_path / "2")
        wait_until(lambda: len(process.children()) == 2 and dead not in process.children())
        time.sleep(1)
        assert service.ask(PREDICT, IMAGE).status == 200 and len(process.children()) == 2
        code, _, err = service.stop()
    lines = err.splitlines()
    assert code == 0 and len(lines) <= 3, err
    assert sum("is not the list of class names" in line for line in lines) == 1, err


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.1"])
def test_an_address_of_elsewhere_is_not_a_matter_of_the_port(host: str) -> None:
    with pytest.raises(UserError, match=r"cannot listen there: .*; --host must be an address of this machine$"):
        listening.listen(settings.read(["--host", host, "--port", "0"], {}))


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    try:
        assert stop_signals.heeded() == [signal.SIGTERM, signal.SIGINT]
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert stop_signals.heeded() == [*stop_signals.STOP_SIGNALS]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_mistakes_end_with_a_line(published: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with pytest.raises(UserError, match=f"--port {port}: cannot listen there: .*another process listens there"):
            listening.listen(settings.read(["--host", "127.0.0.1", "--port", port], {}))
        shutil.copytree(best_version(published), tmp_path / "model" / "1")
        (tmp_path / "model" / "1" / "assets.extra" / "model.tflite").unlink()
        (tmp_path / "model" / "1" / "saved_model.pb").write_bytes(b"not a model")
        free = ("--port", str(free_port()))
        table = [
            (("--model-dir", str(published), "--port", port), f"--port {port}: cannot listen there: "),
            (("--model-dir", "/nothing"), "/nothing: holds no complete model; expected a published version"),
            (
                ("--model-dir", str(tmp_path), "--workers", "2", *free),
                "model/1: TensorFlow cannot load it as a model: ",
            ),
        ]
        for words, text in table:
            done = subprocess.run(
                command("--host", "127.0.0.1", *words), capture_output=True, text=True, timeout=HANG_SECONDS
            )
            lines = done.stderr.splitlines()
            assert done.returncode == 2 and len(lines) == 1 and text in lines[0], (words, done.stderr)
            assert lines[0].startswith("predict.py: error: ")
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}/model/1: TensorFlow cannot load it as a model: "):
        predictor.load(find_version(tmp_path))


@pytest.mark.parametrize("damage", [None, 0.5, 0.0])
def test_tensorflow_answers_where_litert_cannot(
    published: Path,
    tmp_path: Path,
    examples: tuple[np.ndarray, np.ndarray],
    damage: float | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = shutil.copytree(best_version(published), tmp_path / "5")
    program = version / "assets.extra" / "model.tflite"
    if damage is None:
        program.unlink()
    else:
        content = program.read_bytes()
        program.write_bytes(content[: int(len(content) * damage)] or b"no model")
    model = predictor.load(find_version(tmp_path))
    assert model.runtime == "TensorFlow"
    assert ("; TensorFlow serves it instead" in capsys.readouterr().err) == (damage is not None)
    expected = saved_model.load(version).probabilities(examples[0][:2])
    np.testing.assert_allclose(model.predict(examples[0][:2]), expected, atol=1e-6)


def test_a_model_without_litert_is_served_by_tensorflow(
    published: Path, tmp_path: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    version = shutil.copytree(best_version(published), tmp_path / "5")
    (version / "assets.extra" / "model.tflite").write_bytes(b"no model")
    expected = saved_model.load(version).probabilities(examples[0][:2])
    with serving(tmp_path, ready=False) as service:
        deadline = time.monotonic() + HANG_SECONDS
        answer = None
        while answer is None and time.monotonic() < deadline:
            try:
                answer = service.ask(PREDICT, IMAGE)
            except OSError:
                time.sleep(0.02)
        assert answer and answer.status == 503 and answer.headers["retry-after"] == "1"
        assert answer.json["error"] == "the model is being loaded; try again"
        while service.ask("/health/ready").status == 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        rows = service.ask(PREDICT, {"image": examples[0][:2].tolist()}).json["predictions"]
        probabilities = [[entry["probability"] for entry in row] for row in rows]
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        code, out, err = service.stop()
        assert code == 0 and " by TensorFlow on 127.0.0.1:" in out
        assert "; TensorFlow serves it instead" in err


# ---- models that are made to be trouble


def change_program(version: Path, edit: Callable) -> None:
    """Change LiteRT's form of a model, which stays well-formed."""
    path = version / LITERT_FILE
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    edit(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


def crash(model) -> None:
    code = model.operatorCodes[0]  # of an operation with one input; a slice has three
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SLICE


def huge(model) -> None:
    for tensor in model.subgraphs[0].tensors:
        if tensor.shapeSignature is not None and len(tensor.shape) == 4:
            tensor.shape = np.array([1, 200_000, 200_000, 1], np.int32)
            tensor.shapeSignature = np.array([-1, 200_000, 200_000, 1], np.int32)


def write_program(version: Path, target: Path) -> None:
    """Replace a version's SavedModel by one that writes a file whenever it is called."""

    def answer(images):
        with tf.control_dependencies([tf.io.write_file(str(target), "written")]):
            return {"probabilities": tf.fill([tf.shape(images)[0], 10], 0.1)}

    module = tf.Module()
    module.answer = tf.function(answer, input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="images")])
    module.class_names = tf.saved_model.Asset(str(version / "assets" / "class_names.json"))
    shutil.copytree(version, version.with_name("copy"))
    tf.saved_model.save(module, str(version), signatures={"serving_default": module.answer})
    shutil.rmtree(version.with_name("copy"))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        # LiteRT reads past its array of inputs: by what lies there, it crashes, or refuses.
        (crash, "is ended by SIGSEGV: it is damaged, or hostile|LiteRT cannot load it as a model: "),
        (huge, "LiteRT cannot load it as a model: "),
    ],
)
def test_a_program_that_crashes_or_needs_all_memory_does_not_end_the_service(
    published: Path, tmp_path: Path, edit: Callable, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version = shutil.copytree(best_version(published), tmp_path / "5")
    change_program(version, edit)
    model = predictor.load(find_version(tmp_path))
    error = capsys.readouterr().err
    assert model.runtime == "TensorFlow" and re.search(reason, error) and error.count("\n") == 1


def test_a_load_that_crashes_is_named_by_its_signal(published: Path) -> None:
    version = find_version(published)
    trial_load.begin(version, lambda _: os.kill(os.getpid(), signal.SIGSEGV) or 0)
    with pytest.raises(UserError, match="the process that runs it is ended by SIGSEGV: it is damaged, or hostile"):
        trial_load.check(version)


@pytest.mark.parametrize("edit", [None, crash])
def test_a_saved_model_that_is_a_program_is_run_if_it_is_allowed_alone(
    published: Path, tmp_path: Path, edit: Callable | None, capsys: pytest.CaptureFixture[str]
) -> None:
    version = shutil.copytree(best_version(published), tmp_path / "5")
    write_program(version, tmp_path / "trace")
    if edit:
        change_program(version, edit)
    else:
        (version / LITERT_FILE).unlink()
    with pytest.raises(UserError) as caught:
        predictor.load(find_version(tmp_path))
    assert str(caught.value).startswith(f"{version}: its SavedModel does not only compute, but holds WriteFile")
    assert str(caught.value).endswith(
        "; train it again, or run it with --allow-tensorflow if you trust who made it: it can do whatever you can"
    )
    assert "\n" not in str(caught.value) and not capsys.readouterr().err and not (tmp_path / "trace").exists()
    assert predictor.load(find_version(tmp_path), allow_tensorflow=True).runtime == "TensorFlow"
    assert (tmp_path / "trace").read_text() == "written"
