"""The replies of a process on the other end of a pipe: each run gets its own, whatever earlier runs left unread."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialmaker.errors import UserError
from trialmaker.tracking.replies import Replies, RunReplies, RunState

LOG = Path("/run/tracking.log")
RUN_IDS_AND_ENDS = "".join(f'{{"run_id": "{number}"}}\n{{"done": true}}\n' for number in range(9))
DUE, END_DUE, ENDED = RunState.RUN_ID_DUE, RunState.END_DUE, RunState.ENDED


class Writer:
    """A process that writes a text, waits for a line, writes the next text, and so on."""

    def __init__(self, *texts: str) -> None:
        code = "import sys\nfor text in sys.argv[1:]:\n    print(end=text, flush=True)\n    sys.stdin.readline()"
        command = [sys.executable, "-S", "-c", code, *texts]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin and self.process.stdout
        self.stdin = self.process.stdin
        self.failures = 0
        self.replies = Replies(self.process.stdout, on_failure=self.count_failure)

    def count_failure(self) -> None:
        self.failures += 1

    def begin_run(self) -> RunReplies:
        return self.replies.begin_run("http://host", LOG)

    def go_on(self) -> None:
        self.stdin.write(b"\n")
        self.stdin.flush()

    def close(self) -> None:
        with self.process:
            self.process.kill()


Start = Callable[..., Writer]


@pytest.fixture
def start() -> Iterator[Start]:
    writers: list[Writer] = []

    def start_writer(*texts: str) -> Writer:
        writers.append(Writer(*texts))
        return writers[-1]

    yield start_writer
    for writer in writers:
        writer.close()


def test_a_run_has_its_id_and_then_its_end(start: Start) -> None:
    run = start('{"run_id": "a"}\n{"done": true}\n').begin_run()
    assert (run.state, run.run_id) == (DUE, "")
    assert run.wait_for_run_id() == run.wait_for_run_id() == "a"
    assert run.state is END_DUE
    run.wait_for_end()
    run.wait_for_end()
    assert (run.state, run.run_id) == (ENDED, "a")


def test_to_wait_for_the_end_is_to_wait_for_the_id_too(start: Start) -> None:
    run = start(RUN_IDS_AND_ENDS).begin_run()
    run.wait_for_end()
    assert run.run_id == "0"


def test_the_end_is_waited_for(start: Start) -> None:
    writer = start('{"run_id": "a"}\n', '{"done": true}\n')
    run = writer.begin_run()
    waiting = threading.Thread(target=run.wait_for_end)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    writer.go_on()
    waiting.join(10)
    assert run.state is ENDED


def test_a_later_run_reads_what_earlier_ones_left(start: Start) -> None:
    writer = start(RUN_IDS_AND_ENDS)
    first, second, third = (writer.begin_run() for _ in range(3))
    assert first.wait_for_run_id() == "0"
    assert third.wait_for_run_id() == "2"
    assert [run.state for run in (first, second, third)] == [ENDED, ENDED, END_DUE]
    assert second.run_id == "1"


def test_replies_of_earlier_runs_are_waited_for_alone(start: Start) -> None:
    writer = start('{"run_id": "0"}\n{"done": true}\n')  # and of the second run nothing
    first, second = writer.begin_run(), writer.begin_run()
    second.wait_for_earlier_runs()
    assert (first.state, second.state) == (ENDED, DUE)
    first.wait_for_earlier_runs()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["", "run_id", "end", "earlier", "run_id earlier", "earlier end"]), max_size=9))
def test_any_run_may_leave_any_replies_unread(waits: list[str]) -> None:
    writer, runs = Writer(RUN_IDS_AND_ENDS), []
    try:
        for number, wait in enumerate(waits):
            runs.append(run := writer.begin_run())
            if "earlier" in wait:
                run.wait_for_earlier_runs()
                assert {earlier.state for earlier in runs[:-1]} <= {ENDED}
            if "run_id" in wait:
                assert run.wait_for_run_id() == str(number)
                assert run.state is END_DUE
            if "end" in wait:
                run.wait_for_end()
                assert (run.run_id, run.state) == (str(number), ENDED)
        for number, run in enumerate(runs):
            assert run.wait_for_run_id() == str(number)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (
            '{"error": "OSError: no http://me:secret@host"}\n',
            UserError("MLflow tracking at http://host failed: OSError: no http://***@host"),
        ),
        (
            '{"bug": "Traceback: http://me:secret@host"}\n',
            RuntimeError("the tracking process failed: Traceback: http://***@host"),
        ),
        ("", UserError(f"MLflow tracking at http://host failed: it ended without a word; see {LOG}")),
    ],
)
def test_a_failure_is_raised_always_again(start: Start, reply: str, error: Exception) -> None:
    writer = start('{"run_id": "0"}\n' + reply)
    earlier, run = writer.begin_run(), writer.begin_run()
    writer.stdin.close()
    for wait in (run.wait_for_run_id, run.wait_for_end, run.wait_for_earlier_runs, earlier.wait_for_end):
        with pytest.raises(type(error)) as raised:
            wait()
        assert str(raised.value) == str(error)
    assert writer.failures == 1
    assert earlier.wait_for_run_id() == "0"  # which came before the failure


def test_a_process_that_is_killed_ends_the_wait(start: Start) -> None:
    writer = start('{"run_id": "0"}\n')
    run = writer.begin_run()
    killer = threading.Timer(0.3, writer.process.kill)
    killer.start()
    with pytest.raises(UserError, match="it ended without a word"):
        run.wait_for_end()


def test_threads_may_wait_at_once(start: Start) -> None:
    writer = start("", RUN_IDS_AND_ENDS)
    run, run_ids = writer.begin_run(), []
    threads = [threading.Thread(target=lambda: run_ids.append(run.wait_for_run_id())) for _ in range(4)]
    for thread in threads:
        thread.start()
    writer.go_on()
    for thread in threads:
        thread.join(10)
    assert run_ids == ["0"] * 4
