"""Which instances a job has, and which of them this process runs on."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.entry import PROJECT
from support.hosts import network
from trialmaker.errors import UserError
from trialmaker.platform.instances import WAYS, Instances, find_instances

OWN_NAME = socket.gethostname()
AWAY = "203.0.113.1"  # an address that no machine has (RFC 5737)
HERE = "127.0.0.1"


@pytest.fixture
def resource(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "resource.json"


@pytest.mark.usefixtures("resource")
def test_without_a_file_there_is_one() -> None:
    alone = find_instances()
    assert not alone.is_several and alone.is_chief
    assert find_instances(index=0) == alone
    with pytest.raises(UserError, match=r"training.instance_index=1: must be 0 where there is no .*/resource.json"):
        find_instances(index=1)


@pytest.mark.parametrize(
    ("content", "index", "which"),
    [
        ([f"{HERE}:1"], None, "names 1 instance, 127.0.0.1:1; this is instance 1 of 1 (127.0.0.1:1), by itself"),
        ([AWAY, HERE], None, "instance 2 of 2 (127.0.0.1:2222), by its own address"),
        (["::1", AWAY], None, "instance 1 of 2 ([::1]:2222), by its own address"),
        ({"hosts": ["elsewhere.invalid", OWN_NAME]}, None, f", by its host name {OWN_NAME}"),
        ([{"ip": AWAY, "hostname": OWN_NAME.upper()}, {"ip": "203.0.113.2"}], None, ", by its host"),
        ([{"name": "a", "ip": AWAY}, {"hostname": "localhost"}], None, "(localhost:2222), by what its names stand for"),
        ({"instances": [f"{HERE}:1", f"{HERE}:9"], "index": 1}, None, "(127.0.0.1:9), by the file's \"index\""),
        ({"instances": [f"{HERE}:1", f"{HERE}:9"]}, 1, "2 of 2 (127.0.0.1:9), by training.instance_index"),
        ({"instances": [AWAY, HERE], "index": 1}, 0, "1 of 2 (203.0.113.1:2222), by training.instance_index"),
    ],
)  # fmt: skip
def test_which_one_this_is(content: Any, index: int | None, which: str, resource: Path) -> None:
    resource.write_text(json.dumps(content))
    assert find_instances(index=index).line().endswith(which) or which in find_instances(index=index).line()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_a_file_of_another_machine_may_have_another_encoding(encoding: str, resource: Path) -> None:
    resource.write_text(json.dumps([f"{HERE}:1"]), encoding=encoding)
    assert "names 1 instance, 127.0.0.1:1" in find_instances().line()


HINT = "; training.instance_index says it, from 0"


@pytest.mark.parametrize(
    ("content", "index", "reason"),
    [
        ([AWAY, "203.0.113.2"], None, "does not say which of the 2 instances this is: none has its host name, "),
        ([f"{HERE}:1", f"{HERE}:9"], None, f"does not say which of the 2 instances this is: several may be{HINT}"),
        (
            {"instances": [AWAY, HERE], "index": 0},
            None,
            f'does not say which instance this is: the file\'s "index" and its own address do not agree{HINT}',
        ),
        ([AWAY, HERE], 2, "training.instance_index=2: must be 0 to 1, since the file names 2 instances: "),
        ([f"{HERE}:65535", AWAY], 0, "gives the first instance the port 65535, which must be less than 65535"),
        (["x" * 300], None, f'lists "{"x" * 59}… as an instance, which is no address; it holds ["{"x" * 198}…; '),
        ([{"a\x1b[2J": 1}], None, 'lists {"a\\u001b[2J": 1} as an instance'),
        ({"password": "s3cret", "url": "http://anna:s3cret@10.0.0.1:0/"}, None, "names no instance"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_shown_with_the_ways_on(
    content: Any, index: int | None, reason: str, resource: Path
) -> None:
    resource.write_text(json.dumps(content))
    with pytest.raises(UserError) as raised:
        find_instances(index=index)
    (mistake,) = raised.value.mistakes
    assert reason in mistake and mistake.isprintable() and "anna:s3cret" not in mistake
    if not mistake.startswith("training.instance_index"):
        assert mistake.startswith(f"{resource}: ") and "; it holds " in mistake and mistake.endswith(WAYS)


def test_a_file_that_cannot_be_read_is_no_missing_file(resource: Path) -> None:
    for content, reason in ((b"\xff{}", "'utf-8' codec"), (b" " * 9 * 1024**2, "is larger than 8 MiB")):
        resource.write_bytes(content)
        with pytest.raises(UserError, match=f"^{resource}: cannot be read: {reason}"):
            find_instances()
    resource.unlink()
    os.mkfifo(resource)
    with pytest.raises(UserError, match="cannot be read: is no regular file"):
        find_instances()
    resource.unlink()
    resource.mkdir()
    with pytest.raises(UserError, match="cannot be read: "):
        find_instances()
    resource.rmdir()
    resource.symlink_to("nowhere")
    with pytest.raises(UserError, match="cannot be read: is a link to nothing"):
        find_instances()


def test_real_hosts_know_themselves_by_address_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    resource = tmp_path / "config" / "resource.json"
    program = "from trialmaker.platform.instances import find_instances; print(find_instances().line())"
    environment = {"AI_ROOT": str(tmp_path), "PYTHONPATH": str(PROJECT / "src")}
    with network(2) as hosts:
        for content, source in (
            ([host.address for host in hosts], "its own address"),
            ([host.name for host in hosts], "its host name host-{}"),
        ):
            resource.write_text(json.dumps(content))
            options: dict[str, Any] = {"environment": environment, "stdout": subprocess.PIPE}
            processes = [host.popen(sys.executable, "-c", program, **options) for host in hosts]
            for number, process in enumerate(processes, start=1):
                line, _ = process.communicate()
                assert (
                    f"this is instance {number} of 2 ({content[number - 1]}:2222), by {source.format(number)}" in line
                )


def test_the_chief_and_its_meeting(resource: Path) -> None:
    resource.write_text(json.dumps(["[fd00::1]:7", f"{HERE}:9"]))
    instances: Instances = find_instances()
    assert (instances.is_several, instances.is_chief, instances.index) == (True, False, 1)
    assert (str(instances.chief), str(instances.own), instances.meeting_address) == (
        "[fd00::1]:7",
        f"{HERE}:9",
        "[fd00::1]:8",
    )
    assert instances.name(1) == "instance 2 of 2 (127.0.0.1:9)"
    resource.write_text(json.dumps([f"{HERE}:7", f"{HERE}:8", f"{AWAY}:9"]))
    assert find_instances(index=2).meeting_address == f"{HERE}:10"
