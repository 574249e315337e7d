"""Files that are replaced whole, and a lock that one process holds at a time."""

import multiprocessing
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.waiting import HANG_SECONDS
from trialmaker.platform.atomic_files import locked, write_bytes, write_text


def test_a_file_is_replaced_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old = os.umask(0o077)
    try:
        write_text(path, "手写\n")
        write_bytes(path, b"\0\xff")
    finally:
        os.umask(old)
    assert path.read_bytes() == b"\0\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    for mask, mode in ((0o077, 0o600), (0o002, 0o664)):
        old = os.umask(mask)
        try:
            write_bytes(path, b"\0\xff", mode=None)
        finally:
            os.umask(old)
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_bytes(path, "no bytes")  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "no folder" / "file", b"")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_used_again(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "file", tmp_path / "elsewhere"
    script = (
        "import os; from pathlib import Path; from trialmaker.platform import atomic_files;"
        "os.fsync = lambda _: os.kill(os.getpid(), 9);"
        f"atomic_files.write_text(Path({str(path)!r}), 'a long text that is never there')"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=HANG_SECONDS, check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1 and not path.exists()
    write_text(path, "new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    elsewhere.write_text("not ours")
    (tmp_path / ".file.part").symlink_to(elsewhere)
    write_text(path, "newer")
    assert (path.read_text(), elsewhere.read_text()) == ("newer", "not ours")
    assert sorted(tmp_path.iterdir()) == [elsewhere, path]


def write_often(path: Path, text: str) -> None:
    for _ in range(300):
        write_text(path, text)


def test_processes_that_write_the_same_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path, texts = tmp_path / "file", ["one " * 5000, "other " * 100]
    path.write_text(texts[0])
    processes = [multiprocessing.get_context("spawn").Process(target=write_often, args=(path, one)) for one in texts]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        assert path.read_text() in texts
    assert [process.exitcode for process in processes] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


def hold(path: Path, seconds: float) -> None:
    with locked(path), path.open("a") as file:
        file.write("begin ")
        file.flush()
        time.sleep(seconds)
        file.write("end ")


def test_one_process_holds_the_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    processes = [multiprocessing.get_context("spawn").Process(target=hold, args=(path, 0.2)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=HANG_SECONDS)
        assert process.exitcode == 0
    assert path.read_text() == "begin end " * 3


def test_an_exception_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path / "lock"):
        raise ValueError("inside")
    with locked(tmp_path / "lock"):
        pass
