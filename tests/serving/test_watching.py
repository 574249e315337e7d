"""New versions in the model's folder are taken up by a service that runs."""

import asyncio
import functools
import gc
import http.client
import json
import shutil
import threading
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.service import IMAGE, JSON, PREDICT, Service, best_version, serving
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.model_store.versions import BEST_FILE, CLASS_NAMES_FILE, LITERT_FILE, REQUIRED_FILES, Version
from trialmaker.platform import garbage_collection
from trialmaker.serving import predictor, settings, watching
from trialmaker.serving.application import Application
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.predictor import Model
from trialmaker.serving.watching import Watcher, look

STATUS = "/v1/models/model"


def make_version(folder: Path, number: int, names: str = "ab", side: int = 2) -> None:
    """Write the files of a version, whose model ``load`` makes of its names and its side."""
    hidden = folder / f".{number}"
    for file in (*REQUIRED_FILES, LITERT_FILE):
        (hidden / file).parent.mkdir(parents=True, exist_ok=True)
        (hidden / file).write_text(str(side))
    (hidden / CLASS_NAMES_FILE).write_text(json.dumps(list(names)))
    hidden.rename(folder / str(number))


def load(version: Version) -> Model:
    text = (version.directory / LITERT_FILE).read_text()
    if not text.isdigit():
        raise UserError(f"{version.directory}: is damaged")
    share, count = version.number / 100, len(version.class_names)

    def predict(images: np.ndarray) -> np.ndarray:
        return np.tile(np.array([share, *[(1 - share) / (count - 1)] * (count - 1)], np.float32), (len(images), 1))

    return Model(version, (int(text), int(text), 1), "LiteRT", predict)


class Watched:
    """An application that serves a folder of versions, whose watch looks when ``look`` is called."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.application = Application(settings.read([], {}))
        self.middleware = Middleware(self.application)
        version, stamp = look(folder)
        self.application.serve(load(version))
        self.watcher = Watcher(self.application, folder, stamp, load, self.lines.append)

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watcher.check()

    async def ask(self, numbers: int, path: str = PREDICT, body: Callable[[], Any] | None = None) -> tuple[int, Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            if body:
                await body()
            content = json.dumps({"image": [0.0] * numbers}).encode()
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        method = "POST" if path.startswith("/ModelMaker/p") else "GET"
        scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
        await self.middleware(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_version(tmp_path, 1)
    return tmp_path


def test_another_version_is_taken_up_with_its_size_and_classes(folder: Path) -> None:
    async def run() -> None:
        watched = Watched(folder)
        assert (await watched.ask(4))[0] == 200
        await watched.look()
        assert watched.lines == []
        make_version(folder, 2, "abc", side=3)
        await watched.look(1)  # its files may still be on the way
        assert (await watched.ask(4))[0] == 200
        await watched.look(1)
        status, answer = await watched.ask(9)
        assert status == 200 and [one["label"] for one in answer["predictions"]] == ["a", "b", "c"]
        status, answer = await watched.ask(4)
        assert status == 400 and answer["error"].startswith("image: expected 9 numbers, or 3x3x1")
        _, answer = await watched.ask(0, STATUS)
        assert [one["version"] for one in answer["model_version_status"]] == ["2"]
        assert (await watched.ask(0, f"{STATUS}/versions/1"))[0] == 404
        assert (await watched.ask(0, "/ModelMaker/model"))[1]["input_shape"] == [3, 3, 1]
        _, document = await watched.ask(0, "/openapi.json")
        assert '"example": [' + ", ".join(["0.0"] * 9) + "]" in json.dumps(document)
        change = "; takes 3x3x1 for 3 classes now, before 2x2x1 for 2 classes"
        assert watched.lines == [f"serving model version 2 of {folder}/2 by LiteRT from now on{change}"]

    asyncio.run(run())


def test_the_newest_that_loads_takes_the_place_of_one_that_does_not(folder: Path) -> None:
    async def run() -> None:
        watched = Watched(folder)
        for number in (2, 3):
            make_version(folder, number)
        (folder / "3" / LITERT_FILE).write_text("no model")
        await watched.look(6)
        assert watched.lines == [
            f"{folder}/3: is damaged; version 1 is served on",
            f"serving model version 2 of {folder}/2 by LiteRT from now on",
        ]
        shutil.rmtree(folder / "2")
        await watched.look(3)  # version 3 is still the newest
        assert watched.lines[2:] == [f"serving model version 1 of {folder}/1 by LiteRT from now on"]
        (folder / BEST_FILE).write_text(json.dumps({"version": 3}))
        await watched.look(3)
        assert len(watched.lines) == 3

    asyncio.run(run())


def test_a_request_ends_with_the_model_that_it_began_with(folder: Path) -> None:
    """Whose memory is free after that."""

    async def run() -> weakref.ref[object]:
        watched = Watched(folder)
        old = weakref.ref(watched.application.model.batcher)  # type: ignore[union-attr]
        is_served, begun = asyncio.Event(), asyncio.Event()

        async def body() -> None:
            begun.set()
            await is_served.wait()

        slow = asyncio.create_task(watched.ask(4, body=body))
        await begun.wait()
        make_version(folder, 2, "abc", side=3)
        await watched.look()
        assert old()
        is_served.set()
        status, answer = await slow
        assert status == 200 and len(answer["predictions"]) == 2
        assert answer["predictions"][0]["probability"] == pytest.approx(0.01)
        return old

    old = asyncio.run(run())
    gc.collect()
    assert old() is None


def test_a_model_that_holds_itself_is_collected_when_another_is_taken_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it was exempt from collections, as all is that a service has loaded."""
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.01)

    async def run() -> None:
        watched = Watched(folder)
        batcher = watched.application.model.batcher  # type: ignore[union-attr]
        batcher.itself = batcher  # type: ignore[attr-defined]
        old = weakref.ref(batcher)
        del batcher
        garbage_collection.collect_and_freeze()
        make_version(folder, 2)
        watch = asyncio.create_task(watched.watcher.run())
        async with asyncio.timeout(20):
            while old():
                await asyncio.sleep(0.01)
        watch.cancel()
        assert len(watched.lines) == 1 and gc.get_freeze_count() > 0

    asyncio.run(run())


def test_a_broken_or_unfinished_version_leaves_the_old_one(folder: Path) -> None:
    async def run() -> None:
        watched = Watched(folder)
        make_version(folder, 2)
        (folder / "2" / LITERT_FILE).write_text("no model")
        await watched.look(5)
        assert watched.lines == [f"{folder}/2: is damaged; version 1 is served on"]
        assert (await watched.ask(4))[1]["predictions"][0]["probability"] == pytest.approx(0.01)
        (folder / "2" / LITERT_FILE).write_text("2")  # copied again
        await watched.look(3)
        assert watched.lines[1:] == [f"serving model version 2 of {folder}/2 by LiteRT from now on"]
        make_version(folder, 3)
        for size in range(5):  # it grows while it is copied
            (folder / "3" / REQUIRED_FILES[2]).write_text("x" * size)
            await watched.look(1)
        assert len(watched.lines) == 2
        (folder / "3" / "saved_model.pb").unlink()  # incomplete: not even considered
        await watched.look(3)
        assert len(watched.lines) == 2
        (folder / "2" / CLASS_NAMES_FILE).write_text("no list")
        await watched.look(3)
        assert len(watched.lines) == 3 and "is not the list of class names" in watched.lines[2]
        assert (await watched.ask(4))[0] == 200

    asyncio.run(run())


def test_a_deleted_version_is_served_until_there_is_another(folder: Path) -> None:
    async def run() -> None:
        watched = Watched(folder)
        make_version(folder, 5)
        await watched.look()
        shutil.rmtree(folder / "5")  # back to the one before
        await watched.look()
        assert [line.split(" of ")[0] for line in watched.lines] == [
            "serving model version 5",
            "serving model version 1",
        ]
        shutil.rmtree(folder)
        await watched.look(4)
        assert len(watched.lines) == 3 and watched.lines[2].startswith(f"{folder}: holds no complete model; expected")
        assert watched.lines[2].endswith("; version 1 is served on") and (await watched.ask(4))[0] == 200
        folder.mkdir()
        make_version(folder, 6)
        await watched.look()
        assert watched.lines[3].startswith("serving model version 6")

    asyncio.run(run())


def test_what_best_json_says_is_followed_without_loading_anew(folder: Path) -> None:
    async def run() -> None:
        watched = Watched(folder)
        model = watched.application.model
        card = {"version": 1, "model": "cnn", "metrics": {"test_accuracy": 0.5}}
        (folder / BEST_FILE).write_text(json.dumps(card))  # the test metrics come at the end of a run
        await watched.look()
        assert (await watched.ask(0, "/ModelMaker/model"))[1]["metrics"] == {"test_accuracy": 0.5}
        assert watched.application.model.batcher is model.batcher and watched.lines == []  # type: ignore[union-attr]
        make_version(folder, 2)
        await watched.look()
        assert watched.lines == []  # the newest is not the best
        (folder / BEST_FILE).write_text(json.dumps({"version": 2}))
        await watched.look()
        assert watched.lines == [f"serving model version 2 of {folder}/2 by LiteRT from now on"]

    asyncio.run(run())


def test_a_version_that_needs_tensorflow_is_not_taken_up(published: Path, tmp_path: Path) -> None:
    shutil.copytree(best_version(published), tmp_path / "5")
    (tmp_path / "5" / LITERT_FILE).write_bytes(b"no model")
    with pytest.raises(UserError, match="5: LiteRT cannot load it as a model: "):
        predictor.load_while_serving(look(tmp_path)[0])
    (tmp_path / "5" / LITERT_FILE).unlink()
    with pytest.raises(
        UserError, match=f"5: has no {LITERT_FILE}, without which a service that runs does not take it up"
    ):
        predictor.load_while_serving(look(tmp_path)[0])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_is_unanswered_while_versions_change(published: Path, tmp_path: Path, workers: str) -> None:
    """By the real process, as soon as all its workers serve the new version."""
    raw, errors, answered = json.dumps(IMAGE).encode(), [], [0] * 4
    shutil.copytree(best_version(published), tmp_path / "1")
    is_over = threading.Event()

    def call(number: int, service: Service) -> None:
        while not is_over.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=HANG_SECONDS)) as connection:
                for _ in range(20):
                    connection.request("POST", PREDICT, raw, JSON)
                    answer = connection.getresponse()
                    if answer.status != 200 or not answer.read().endswith(b"}]}"):
                        errors.append(answer.status)
                    answered[number] += 1

    def is_everywhere(service: Service, version: str) -> bool:
        return {service.ask(STATUS).json["model_version_status"][0]["version"] for _ in range(8)} == {version}

    with serving(tmp_path, "--workers", workers) as service:
        threads = [threading.Thread(target=call, args=(number, service)) for number in range(4)]
        for thread in threads:
            thread.start()
        for version in ("2", "3"):
            shutil.copytree(best_version(published), tmp_path / f".{version}")
            (tmp_path / f".{version}").rename(tmp_path / version)
            wait_until(functools.partial(is_everywhere, service, version))
        (tmp_path / "4").mkdir()
        is_over.set()
        for thread in threads:
            thread.join(timeout=HANG_SECONDS)
        metrics = service.ask("/metrics").body.decode()
        code, out, err = service.stop()
    assert errors == [] and min(answered) > 0
    assert (code, err) == (0, "") and "\ntrialmaker_model_version 3.0\n" in metrics
    lines = [line.split(" of ")[0] for line in out.splitlines() if line.endswith("from now on")]
    expected = ["serving mlp version 2", "serving mlp version 3"]
    assert lines == expected[: len(lines)] and (len(lines) == 2 or workers == "2")  # of the worker that speaks
