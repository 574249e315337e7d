"""Downloads of published files: each is verified by MD5 and stored atomically."""

import hashlib
import http.client
import io
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.data.idx import unzip
from trialmaker.errors import UserError, one_line
from trialmaker.platform.atomic_files import write_bytes
from trialmaker.platform.progress_bar import progress_bar, terminal

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class PublishedFile:
    """The name, checksum and size of a file on a mirror.

    Args:
        name: file name in the URL and on the disk.
        md5: hexadecimal MD5 of the unpacked content; a mirror may compress the file again, which changes the packed
            bytes only.
        size: size of the unpacked content, bytes.
    """

    name: str
    md5: str
    size: int

    def matches(self, raw: bytes) -> bool:
        """Return whether the bytes, gzipped or not, are the published content."""
        try:
            content = unzip(io.BytesIO(raw), self.size + 1)
        except zlib.error:
            return False
        return hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5


def download(
    files: Sequence[PublishedFile], *, directory: Path, mirrors: Sequence[str], timeout_seconds: float
) -> None:
    """Download files, each from the first mirror that serves the published content.

    Proxies are taken from the environment (``http_proxy``, ``https_proxy``, ``no_proxy``). Several processes may
    download into one directory at once: each writes to temporary files of its own, and the last rename wins with the
    same bytes.

    Args:
        files: the files to download.
        directory: where to store them; created if it does not exist.
        mirrors: base URLs, tried in order, from the mirror of the previous file on.
        timeout_seconds: longest time without a byte from a mirror, seconds.

    Raises:
        UserError: no mirror served a file's published content (one line with the cause of each mirror), or the file
            cannot be stored. Earlier files stay, partial ones do not.
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
            reasons = ", ".join(causes) or "data.mirrors is empty"
            by_hand = f"put it into {directory} by hand, or name another mirror in data.mirrors"
            raise UserError(f"can't download {file.name}: {reasons}; {by_hand}")


def _fetch(url: str, file: PublishedFile, timeout_seconds: float) -> bytes:
    """Return the bytes behind a URL, as they were sent (at most 10 MB for MNIST).

    Raises:
        ValueError: they are not the published content.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "trialmaker"})
    if terminal() is None:
        print(f"downloading {url}", file=sys.stderr, flush=True)
    # A new opener for each request: urlopen keeps one with the proxies of its first call.
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
        # gzip adds a few bytes to what it can't compress. The limit is for mirrors that never stop.
        while len(raw) <= file.size + CHUNK_BYTES and (chunk := response.read(CHUNK_BYTES)):
            raw += chunk
            bar.update(len(chunk))
    if total is not None and len(raw) < total:  # read(n) raises nothing when the connection closes early
        raise ValueError(f"the connection closed after {len(raw)} of {total} bytes")
    return bytes(raw)


def _store(raw: bytes, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, raw, mode=None)
    except OSError as error:
        raise UserError(f"{path}: can't store the download: {error.strerror}; name another data.directory") from None


def _cause(error: Exception, timeout_seconds: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"HTTP {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"silent for {timeout_seconds:g} s"
    return one_line(reason)
