"""Downloads published files: each is checked, and lies in its place whole or not at all."""

import hashlib
import http.client
import os
import secrets
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.data.idx import unzip
from trialmaker.errors import UserError
from trialmaker.platform.progress_bar import progress_bar

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class PublishedFile:
    """What is known about a file before it is fetched.

    Args:
        name: its last part in the URL and on the disk.
        md5: of its content, unpacked: mirrors that gzip it anew change the packed bytes, never these.
        size: of its content, unpacked, in bytes.
    """

    name: str
    md5: str
    size: int

    def matches(self, raw: bytes) -> bool:
        """Whether these bytes, gzipped or not, are the published content."""
        try:
            content = unzip(raw, self.size + 1)
        except zlib.error:
            return False
        return hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5


def download(
    files: Sequence[PublishedFile], *, directory: Path, mirrors: Sequence[str], timeout_seconds: float
) -> None:
    """Fetches files, each from the first mirror that has it right.

    Proxies are taken from the environment (``http_proxy`` and its relatives). Several processes may do this at once:
    each works under names of its own, and the last one to finish puts the same bytes into the same place.

    Args:
        files: what to fetch.
        directory: where to put them; it is made if need be.
        mirrors: base URLs, tried in turn, beginning with the one that worked last.
        timeout_seconds: how long a mirror may be silent.

    Raises:
        UserError: no mirror had a file right (one line with each cause), or it can't be stored. Files that were
            fetched before it stay; nothing half-written does.
    """
    mirrors = list(mirrors)
    for file in files:
        causes = []
        for position, mirror in enumerate(mirrors):
            try:
                raw = _fetch(f"{mirror.rstrip('/')}/{file.name}", file, timeout_seconds)
            except (OSError, http.client.HTTPException, ValueError) as error:
                causes.append(f"{mirror} ({_cause(error, timeout_seconds)})")
                continue
            _store(raw, directory / file.name)
            mirrors = mirrors[position:] + mirrors[:position]
            break
        else:
            tried = ", ".join(causes) or "data.mirrors is empty"
            by_hand = f"put it into {directory} by hand, or name another mirror in data.mirrors"
            raise UserError(f"can't download {file.name}: {tried}; {by_hand}")


def _fetch(url: str, file: PublishedFile, timeout_seconds: float) -> bytes:
    """The bytes behind a URL, checked, in memory (10 MB at most for MNIST); a ValueError if they are wrong."""
    request = urllib.request.Request(url, headers={"User-Agent": "trialmaker"})
    if not sys.stderr.isatty():
        print(f"downloading {url}", file=sys.stderr, flush=True)
    # An opener of our own: the one of urlopen keeps the proxies of its first call for ever.
    with urllib.request.build_opener().open(request, timeout=timeout_seconds) as response:
        raw = _read(response, file)
    if not file.matches(raw):
        raise ValueError(f"wrong bytes, {len(raw)} of them: the MD5 of the content is not {file.md5}")
    return raw


def _read(response: http.client.HTTPResponse, file: PublishedFile) -> bytes:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    raw = bytearray()
    with progress_bar(text=file.name, total=total, unit="B") as bar:
        # gzip adds a few bytes to what it can't press. The limit is for mirrors that never stop.
        while len(raw) <= file.size + CHUNK_BYTES and (chunk := response.read(CHUNK_BYTES)):
            raw += chunk
            bar.update(len(chunk))
    if total is not None and len(raw) < total:  # read(n) is silent about a connection that closed too early
        raise ValueError(f"the connection closed after {len(raw)} of {total} bytes")
    return bytes(raw)


def _store(raw: bytes, path: Path) -> None:
    # A name of its own: two processes may download at once. Not tempfile, whose files only their owner may read.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: can't store the download: {error.strerror}; name another data.directory") from None


def _cause(error: Exception, timeout_seconds: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"HTTP {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"silent for {timeout_seconds:g} s"
    return " ".join(str(reason).split()) or type(reason).__name__
