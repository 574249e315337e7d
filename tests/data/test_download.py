"""Downloads from a real server on 127.0.0.1 that fails in every way."""

import gzip
import hashlib
import os
import pty
import re
import resource
import stat
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.waiting import HANG_SECONDS
from trialmaker.data.download import PublishedFile, download
from trialmaker.errors import UserError

Mirrors = Callable[[], Any]
CONTENT = np.random.default_rng(0).bytes(200_000)
ZIPPED = gzip.compress(CONTENT, mtime=0)
FILE = PublishedFile("digits.gz", hashlib.md5(CONTENT).hexdigest(), len(CONTENT))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fetch(directory: Path, *urls: str, timeout_seconds: float = 5.0) -> None:
    download([FILE], directory=directory, mirrors=urls, timeout_seconds=timeout_seconds)


def failure(directory: Path, *urls: str, timeout_seconds: float = 5.0) -> str:
    with pytest.raises(UserError) as error:
        fetch(directory, *urls, timeout_seconds=timeout_seconds)
    assert not directory.exists() or names(directory) == []
    return str(error.value)


def failed(directory: Path, causes: str) -> str:
    by_hand = f"put it into {directory} by hand, or name another mirror in data.mirrors"
    return f"can't download digits.gz: {causes}; {by_hand}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ZIPPED, id="as published"),
        pytest.param(gzip.compress(CONTENT, 1, mtime=7), id="gzipped anew"),
        pytest.param(CONTENT, id="unpacked by the server"),
    ],
)
def test_the_right_bytes(content: bytes, tmp_path: Path, mirrors: Mirrors, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", content)
    fetch(tmp_path / "new" / "folder", mirror.url)
    assert names(tmp_path / "new" / "folder") == ["digits.gz"]
    assert (tmp_path / "new" / "folder" / "digits.gz").read_bytes() == content
    output = capsys.readouterr()
    assert output.err == f"downloading {mirror.url}digits.gz\n"
    assert output.out == ""


def test_others_may_read_it(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED)
    old = os.umask(0o022)
    try:
        fetch(tmp_path, mirror.url)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "digits.gz").stat().st_mode) == 0o644


def test_http_404(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    assert failure(tmp_path, mirror.url) == failed(tmp_path, f"{mirror.url} (HTTP 404 Not Found)")


def test_wrong_bytes(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", b"<html>please log in</html>")
    cause = f"wrong bytes, 26 of them: the MD5 of the content is not {FILE.md5}"
    assert failure(tmp_path, mirror.url) == failed(tmp_path, f"{mirror.url} ({cause})")


def test_one_bit_off(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", gzip.compress(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])))
    assert "(wrong bytes, " in failure(tmp_path, mirror.url)


def test_closes_half_way(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED[:1000], content_length=len(ZIPPED))
    cause = f"the connection closed after 1000 of {len(ZIPPED)} bytes"
    assert failure(tmp_path, mirror.url) == failed(tmp_path, f"{mirror.url} ({cause})")


def test_stalls(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.stall("/digits.gz")
    message = failure(tmp_path, mirror.url, timeout_seconds=0.2)
    assert message == failed(tmp_path, f"{mirror.url} (silent for 0.2 s)")


def test_never_stops(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.flood("/digits.gz")
    assert "(wrong bytes, " in failure(tmp_path, mirror.url)


def test_nobody_listens(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.close()
    cause = "[Errno 111] Connection refused" if sys.platform == "linux" else ".*"
    assert re.fullmatch(re.escape(failed(tmp_path, f"{mirror.url} ({cause})")), failure(tmp_path, mirror.url))


@pytest.mark.parametrize(
    "url, cause",
    [
        ("mirror.example/mnist", "unknown url type: 'mirror.example/mnist/digits.gz'"),
        ("gopher://mirror.example/", "unknown url type: gopher"),
        ("http://127.0.0.1:port/", "nonnumeric port: 'port'"),
        ("", "unknown url type: '/digits.gz'"),
    ],
)
def test_no_url(url: str, cause: str, tmp_path: Path) -> None:
    assert failure(tmp_path, url) == failed(tmp_path, f"{url} ({cause})")


def test_no_mirrors(tmp_path: Path) -> None:
    assert failure(tmp_path) == failed(tmp_path, "data.mirrors is empty")


def test_a_folder_as_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "digits.gz").write_bytes(ZIPPED)
    fetch(tmp_path / "data", (tmp_path / "mirror").as_uri())
    assert (tmp_path / "data" / "digits.gz").read_bytes() == ZIPPED


def test_the_next_mirror(tmp_path: Path, mirrors: Mirrors, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = mirrors(), mirrors()
    bad.serve("/digits.gz", ZIPPED[:1000], content_length=len(ZIPPED))
    good.serve("/digits.gz", ZIPPED)
    fetch(tmp_path, bad.url, good.url)
    assert names(tmp_path) == ["digits.gz"]
    assert capsys.readouterr().err == f"downloading {bad.url}digits.gz\ndownloading {good.url}digits.gz\n"


def test_all_mirrors_fail(tmp_path: Path, mirrors: Mirrors) -> None:
    one, other = mirrors(), mirrors()
    other.serve("/digits.gz", ZIPPED[:1000], content_length=5000)
    causes = f"{one.url} (HTTP 404 Not Found), {other.url} (the connection closed after 1000 of 5000 bytes)"
    assert failure(tmp_path, one.url, other.url) == failed(tmp_path, causes)


def test_the_mirror_that_worked_is_asked_first_for_the_next_file(tmp_path: Path, mirrors: Mirrors) -> None:
    bad, good = mirrors(), mirrors()
    files = [PublishedFile(name, FILE.md5, FILE.size) for name in ("a.gz", "b.gz", "c.gz")]
    for file in files:
        good.serve(f"/{file.name}", ZIPPED)
    download(files, directory=tmp_path, mirrors=[bad.url, good.url], timeout_seconds=5)
    assert bad.requests == ["/a.gz"]
    assert good.requests == ["/a.gz", "/b.gz", "/c.gz"]


def test_a_proxy(tmp_path: Path, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = mirrors()
    monkeypatch.setenv("http_proxy", proxy.url)
    proxy.serve("http://mnist.invalid/digits.gz", ZIPPED)
    fetch(tmp_path, "http://mnist.invalid/")
    assert proxy.requests == ["http://mnist.invalid/digits.gz"]


def test_redirects_are_followed(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/there/digits.gz", ZIPPED)

    def redirect(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/there/digits.gz")
        handler.end_headers()

    mirror.answers["/digits.gz"] = redirect
    fetch(tmp_path, mirror.url)
    assert mirror.requests == ["/digits.gz", "/there/digits.gz"]


@pytest.mark.usefixtures("capsys")  # pytest's own file for what is written has a size, too
def test_the_disk_is_full(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        message = failure(tmp_path, mirror.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    path = tmp_path / "digits.gz"
    assert message == f"{path}: can't store the download: File too large; name another data.directory"


def test_a_directory_that_can_not_be_made(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError) as error:
        fetch(tmp_path / "file", mirror.url)
    path = tmp_path / "file" / "digits.gz"
    cause = "(File exists|Not a directory)"
    assert re.fullmatch(f"{path}: can't store the download: {cause}; name another data.directory", str(error.value))


ALONE = """
import sys
from pathlib import Path
from trialmaker.data.download import PublishedFile, download
name, md5, size, directory, url = sys.argv[1:]
download([PublishedFile(name, md5, int(size))], directory=Path(directory), mirrors=[url], timeout_seconds=5)
"""


def _command(directory: Path, url: str) -> list[str]:
    return [sys.executable, "-c", ALONE, FILE.name, FILE.md5, str(FILE.size), str(directory), url]


def test_two_processes_at_once(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED)
    processes = [
        subprocess.Popen(_command(tmp_path, mirror.url), env=os.environ, stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == 0, errors
    assert names(tmp_path) == ["digits.gz"]
    assert (tmp_path / "digits.gz").read_bytes() == ZIPPED


def test_a_terminal_shows_a_bar(tmp_path: Path, mirrors: Mirrors) -> None:
    mirror = mirrors()
    mirror.serve("/digits.gz", ZIPPED)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    try:
        subprocess.run(_command(tmp_path, mirror.url), env=os.environ, stderr=theirs, check=True, timeout=HANG_SECONDS)
        os.set_blocking(ours, False)
        output = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "digits.gz:   0%|" in output
    assert "downloading" not in output
