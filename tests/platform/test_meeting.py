"""The meeting of instances: several in this process, each with a thread of its own, over real sockets."""

import io
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from support.instances import loopback_instances
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import UserError
from trialmaker.experiment.instances.team import Team
from trialmaker.platform.instances import Instances
from trialmaker.platform.meeting import files, messages
from trialmaker.platform.meeting.ends import MeetingOver
from trialmaker.platform.meeting.meeting import Meeting
from trialmaker.platform.meeting.messages import encode
from trialmaker.platform.meeting.room import Room
from trialmaker.platform.signals import Signals

PURPOSE = {"command": "run"}
SHORT_SECONDS = 3  # in which the others come, on a busy machine too, where somebody waits in vain


@pytest.fixture(autouse=True)
def _quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("room", "server", "attendance", "meeting"):
        monkeypatch.setattr(f"trialmaker.platform.meeting.{module}.BEAT_SECONDS", 0.05)


def together(*works: Callable[[], object]) -> list[Future]:
    """Do all at once, each on a thread."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [pool.submit(work) for work in works]


@contextmanager
def meeting_of(count: int, **options: object) -> Iterator[list[Meeting]]:
    """A meeting to which all have come."""
    meetings = [Meeting(one, purpose=PURPOSE, seconds=HANG_SECONDS, **options) for one in loopback_instances(count)]
    with ExitStack() as stack:
        for future in together(*(one.__enter__ for one in meetings)):
            future.result()
        for one in meetings:
            stack.callback(one.leave)
        yield meetings


def errors(futures: list[Future]) -> list[str]:
    return [str(future.exception()) for future in futures]


def test_all_get_the_decision_of_the_first_however_large_it_is() -> None:
    decision = bytes(range(256)) * 40_000
    with meeting_of(3) as (first, *others):
        works = [lambda one=one: one.agree("data", {"digest": "1"}) for one in others]
        done = together(lambda: first.agree("data", {"digest": "1"}, decision), *works)
        assert [future.result() for future in done] == [decision] * 3
        assert first.over is None


def test_what_differs_is_told_to_all() -> None:
    with meeting_of(3) as meetings:
        own = [{"epochs": "2", "seed": "0"}, {"epochs": "2", "seed": "0"}, {"epochs": "3"}]
        done = together(*(lambda i=i: meetings[i].agree("run", own[i]) for i in range(3)))
        [text] = set(errors(done))
        assert "instance 3 of 3 (127.0.0.1:" in text
        assert "epochs is 3 there, 2 here; seed is nothing there, 0 here" in text


def test_an_instance_with_another_purpose_is_refused_and_the_first_says_so_too() -> None:
    first, second = loopback_instances(2)
    done = together(
        Meeting(first, purpose=PURPOSE, seconds=SHORT_SECONDS).__enter__,
        Meeting(second, purpose={"command": "study"}, seconds=SHORT_SECONDS).__enter__,
    )
    missing, refused = errors(done)
    assert "differs from the first: command is study there, run here" in refused
    assert missing == refused


def test_instances_that_each_take_themselves_for_the_first_say_so() -> None:
    first, second = loopback_instances(2)
    itself_first = replace(second, members=second.members[::-1], index=0)
    done = together(*(Meeting(one, purpose=PURPOSE, seconds=SHORT_SECONDS).__enter__ for one in (first, itself_first)))
    for text, own, other in zip(errors(done), (first, itself_first), (itself_first, first), strict=True):
        beginning = f"{own.name(1)} has not come within {SHORT_SECONDS} s, but {other.meeting_address} answers"
        assert text.startswith(beginning)


def test_one_that_never_comes_is_named_by_all() -> None:
    first, second, _ = loopback_instances(3)
    done = together(*(Meeting(one, purpose=PURPOSE, seconds=SHORT_SECONDS).__enter__ for one in (first, second)))
    assert all(text.startswith(f"{first.name(2)} has not come within {SHORT_SECONDS} s") for text in errors(done))
    [error] = together(Meeting(second, purpose=PURPOSE, seconds=0.5).__enter__)
    assert str(error.exception()).startswith(f"{first.name(0)} has not come within 0.5 s")


def test_an_instance_may_come_late_and_one_that_comes_twice_is_refused() -> None:
    instances = loopback_instances(2)

    def late() -> Meeting:
        time.sleep(1)
        return Meeting(instances[0], purpose=PURPOSE, seconds=HANG_SECONDS).__enter__()

    second = Meeting(instances[1], purpose=PURPOSE, seconds=HANG_SECONDS)
    for future in together(late, second.__enter__):
        future.result()
    with pytest.raises(MeetingOver, match=r"instance 2 of 2 .* is there already: two instances take themselves for it"):
        Meeting(instances[1], purpose=PURPOSE, seconds=HANG_SECONDS).__enter__()
    second.leave()
    with pytest.raises(MeetingOver, match="came when the others had begun without it"):
        Meeting(instances[1], purpose=PURPOSE, seconds=HANG_SECONDS).__enter__()


def test_one_that_is_killed_is_named_at_once_by_all_in_the_midst_of_an_agreement() -> None:
    with meeting_of(3) as meetings:
        heard: list[str] = []
        meetings[0].on_lost = meetings[1].on_lost = heard.append

        def be_killed() -> None:
            time.sleep(0.3)
            meetings[2].attendance.is_leaving.set()  # says nothing more
            meetings[2].channel.close()

        done = together(lambda: meetings[0].agree("x", {}), lambda: meetings[1].agree("x", {}), be_killed)
        text = f"{meetings[0].instances.name(2)} is gone: its connection has ended"
        assert errors(done)[:2] == [text, text]
        wait_until(lambda: len(heard) == 2)
        assert heard == [text, text]
        assert [str(one.over) for one in meetings[:2]] == [text, text]


def test_one_that_falls_silent_is_named_sooner_once_a_collective_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialmaker.platform.meeting.meeting.SUSPECT_SECONDS", 0.3)
    with meeting_of(2) as (first, second):
        frozen = threading.Event()
        second.attendance.is_leaving.wait = lambda _: frozen.wait(HANG_SECONDS)  # type: ignore[method-assign]
        time.sleep(0.5)
        assert first.over is None
        assert str(first.who_is_gone(HANG_SECONDS)) == f"{first.instances.name(1)} gives no sign of life for 0.3 s"
        frozen.set()


def test_what_ends_one_ends_all_with_its_reason_and_its_code() -> None:
    with meeting_of(3) as (first, second, third):
        third.__exit__(UserError, UserError("data.directory=/data: holds no images"), None)
        done = together(lambda: first.agree("x", {}), lambda: second.agree("x", {}))
        text = f"{first.instances.name(2)} has ended: data.directory=/data: holds no images"
        assert errors(done) == [text, text]
        assert [future.exception().exit_code for future in done] == [2, 2]


def test_the_others_end_with_the_code_of_the_first() -> None:
    with meeting_of(3) as (first, second, third):
        third.leave()
        done = [ThreadPoolExecutor(1).submit(second.wait_for_chief)]
        assert first.wait_for_all(0.2) == [first.instances.name(1)]
        first.leave(code=0)
        assert done[0].result() == 0
    with meeting_of(2) as (first, second):
        waiting = ThreadPoolExecutor(1).submit(second.wait_for_chief)
        first.leave("stopped by SIGTERM before the first step", 143)
        assert isinstance(waiting.exception(), MeetingOver)
        assert waiting.exception().exit_code == 143
        assert str(waiting.exception()).endswith("has ended: stopped by SIGTERM before the first step")


def test_to_an_open_meeting_each_comes_and_goes_and_the_first_may_be_away() -> None:
    instances = loopback_instances(2)
    first = Meeting(instances[0], purpose=PURPOSE, seconds=HANG_SECONDS, is_open=True).__enter__()
    heard: list[str] = []
    first.on_lost = heard.append
    second = Meeting(instances[1], purpose=PURPOSE, seconds=HANG_SECONDS, is_open=True).__enter__()
    second.attendance.is_leaving.set()
    second.channel.close()
    wait_until(lambda: heard)
    second = Meeting(instances[1], purpose=PURPOSE, seconds=HANG_SECONDS, is_open=True).__enter__()
    assert first.over is None
    first.server.stop()
    first = Meeting(instances[0], purpose=PURPOSE, seconds=HANG_SECONDS, is_open=True).__enter__()
    wait_until(lambda: first.room.members[1].is_present)
    assert second.over is None
    second.leave()
    assert first.wait_for_all(HANG_SECONDS) == []
    first.leave()


def test_a_folder_reaches_the_first_whole_without_its_links(tmp_path: Path) -> None:
    (tmp_path / "run/logs").mkdir(parents=True)
    (tmp_path / "run/logs/train.log").write_text("a line\n")
    (tmp_path / "run/model.bin").write_bytes(bytes(3_000_000))
    (tmp_path / "run/empty").touch()
    (tmp_path / "run/passwd").symlink_to("/etc/passwd")
    with meeting_of(2) as (first, second):
        got: dict[str, object] = {}

        def take(name: str, folder: Path) -> None:
            sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
            got.update({name: sizes, "folder": folder})

        first.on_push = take
        second.push(tmp_path / "run", "the run")
        assert got["the run"] == {"logs/train.log": 7, "model.bin": 3_000_000, "empty": 0}
        assert not Path(got["folder"]).exists()

        def refuse(*_: object) -> None:
            raise UserError("no place for it")

        first.on_push = refuse
        with pytest.raises(UserError, match="did not take run: no place for it"):
            second.push(tmp_path / "run", "the run")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/etc/outside", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("link", tarfile.LNKTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ],
)
def test_nothing_but_plain_files_inside_of_the_folder_is_unpacked(name: str, kind: bytes) -> None:
    info = tarfile.TarInfo("plain")
    good = info.tobuf()
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(UserError, match="is no plain file inside of the folder"):
        files.unpack(iter([good, info.tobuf(), bytes(1024)]))


def test_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_PUSHED_BYTES", 100_000)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("large")
        info.size = 200_000
        tar.addfile(info, io.BytesIO(bytes(200_000)))
    with pytest.raises(UserError, match="than is free"):
        files.unpack(iter([buffer.getvalue()[at : at + 4096] for at in range(0, 200_000, 4096)]))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"7",
        encode(index="2"),
        encode(index=7, purpose=PURPOSE),
        encode(index=-1),
        encode(index=True),
        encode(index=0, purpose=PURPOSE),
    ],
)
def test_strangers_learn_nothing_and_disturb_nobody(request_bytes: bytes) -> None:
    with meeting_of(2) as (first, second), grpc.insecure_channel(first.instances.meeting_address) as channel:
        for method in (messages.ATTEND, messages.PUSH):
            call = channel.stream_stream(f"/{messages.SERVICE}/{method}")
            for answer in call(iter([request_bytes])):
                assert set(messages.decode(answer)) in ({"over", "code"}, {"error"})
        assert first.over is second.over is None


def test_what_speaks_another_protocol_disturbs_nobody() -> None:
    with meeting_of(2) as (first, second), ExitStack() as stack:
        host, _, port = first.instances.meeting_address.rpartition(":")
        for begin in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"PRI * HT",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9000),
            b"\x16\x03",
        ):
            for _ in range(20):
                stack.enter_context(socket.create_connection((host, int(port)))).sendall(begin)
        with grpc.insecure_channel(first.instances.meeting_address) as channel:
            call = channel.stream_stream(f"/{messages.SERVICE}/{messages.ATTEND}")
            with pytest.raises(grpc.RpcError):
                list(call(iter([bytes(messages.MAX_MESSAGE_BYTES + 1)])))
        done = together(lambda: first.agree("data", {}, b"all"), lambda: second.agree("data", {}))
        assert [future.result() for future in done] == [b"all"] * 2
        assert first.over is second.over is None


def test_a_port_that_another_process_has_is_named() -> None:
    first, _ = loopback_instances(2)
    _, _, port = first.meeting_address.rpartition(":")
    with socket.socket(socket.AF_INET6) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of connections of earlier tests
        taken.bind(("::", int(port)))
        taken.listen()
        with pytest.raises(UserError, match=f"{first.meeting_address}: the instances' port cannot be opened"):
            Meeting(first, purpose=PURPOSE, seconds=1).__enter__()


def test_the_first_is_reached_by_others_where_it_knows_its_own_name_as_its_loopback_address() -> None:
    instances = [one_at(one, "localhost") for one in loopback_instances(2)]
    elsewhere = one_at(instances[1], "127.0.0.2")  # as the others would know that name
    done = together(
        *(Meeting(one, purpose=PURPOSE, seconds=HANG_SECONDS).__enter__ for one in (instances[0], elsewhere))
    )
    for future in done[::-1]:
        future.result().leave()


def one_at(instances: Instances, host: str) -> Instances:
    """Return the instances, the first one at another host."""
    return replace(instances, members=(replace(instances.chief, host=host), *instances.members[1:]))


def test_a_room_without_a_network_knows_what_is_no_entry() -> None:
    room = Room(["instance 1 of 2", "instance 2 of 2"], PURPOSE, is_open=False)
    with pytest.raises(MeetingOver, match="there are 2 instances"):
        room.enter(9, PURPOSE)


def test_a_connection_that_lasts_too_long_ends_the_process_with_a_line_for_the_person(tmp_path: Path) -> None:
    [alone] = loopback_instances(1)
    names = {str(alone.own): "instance 2 of 2"}
    long = "x" * 200_000  # no word of a command may be as long, nor is it what a pipe holds
    code = (
        "import time, pathlib, trialmaker.experiment.tensorflow_import as imports\n"
        "from trialmaker.platform.meeting.connection_guard import limited_connection\n"
        f"log, failure = pathlib.Path({str(tmp_path / 'log')!r}), pathlib.Path({str(tmp_path / 'failure')!r})\n"
        f"with imports._standard_error_to(log), limited_connection({names!r}, 0.2, "
        "{failure.parent: '', failure: '@cause@!\\udc80' + 'x' * 200_000},"
        " standard_error=imports.own_standard_error()):\n"
        "    time.sleep(600)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_SECONDS)
    line = "instance 2 of 2 cannot be reached: TensorFlow has not connected the 1 instances within 0.2 s"
    assert (ended.returncode, ended.stderr) == (-9, f"train.py: error: {line}; start the job again\n")
    assert (tmp_path / "failure").read_text() == f"{line}; start the job again!\\udc80{long}"


def test_instances_that_have_another_list_do_not_train_together() -> None:
    first, second, _ = loopback_instances(3)
    swapped = replace(second, members=(second.members[0], second.members[2], second.members[1]), index=2)
    done = together(*(Team(one, seconds=SHORT_SECONDS).join for one in (first, swapped)))
    for text in errors(done):
        assert text.startswith(f"{first.name(2)} differs from the first: the list of config/resource.json is ")


def test_a_port_that_tensorflow_cannot_have_ends_all_before_they_wait_for_it() -> None:
    teams = [Team(one, seconds=HANG_SECONDS) for one in loopback_instances(2)]
    for future in together(*(one.join for one in teams)):
        future.result()

    def connect(team: Team) -> None:
        try:
            team.connect(Signals(), {})
        finally:
            team.close(2, str(sys.exc_info()[1]))

    with socket.create_server(("127.0.0.1", teams[1].instances.own.port)):
        first, second = errors(together(*(lambda one=one: connect(one) for one in teams)))
    assert "the instances' port cannot be opened (Address already in use)" in second
    assert first == f"{teams[0].instances.name(1)} has ended: {second}"
