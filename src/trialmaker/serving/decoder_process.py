"""A process that decodes what others sent, one body at a time, within limits of memory and processor time.

python -P -m trialmaker.serving.decoder_process BYTES SECONDS NICENESS: by how much memory may grow, the processor time
of a body, and how far other processes go before this one. On standard input: a task's line, its body's length on a
line, the body. On standard output: a line of JSON, then the images and the preview whose lengths it has. It ends with
its standard input.
"""

import json
import math
import os
import resource
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import numpy as np

from trialmaker.serving import decode_task
from trialmaker.serving.decode_task import DecodeTask
from trialmaker.serving.errors import HTTPError

STANDARD_STREAMS = (0, 1, 2)


def main(words: list[str]) -> None:
    """Decode until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # of a terminal or container: requests that run are finished
        signal.signal(number, signal.SIG_IGN)
    _close_inherited_files()
    os.nice(int(words[2]))
    _prepare_pillow()
    _limit_memory(int(words[0]))
    while line := sys.stdin.buffer.readline():
        task = DecodeTask.from_json(line.decode())
        body = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
        _limit_seconds(float(words[1]))
        head, *payload = _answer(task, body)
        del body
        sys.stdout.buffer.write(head)
        for part in payload:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


def _close_inherited_files() -> None:
    """Close what uvloop 0.23 leaves open in its child processes: the socket that the service listens on, above all."""
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if number > max(STANDARD_STREAMS):
            with suppress(OSError):  # the one that listed them
                os.close(number)


def _answer(task: DecodeTask, body: bytes) -> tuple[bytes, ...]:
    """Return the answer's line, and what follows it."""
    try:
        decoded = decode_task.run(task, body)
    except HTTPError as error:
        return (_line(status=error.status, message=error.message),)
    except MemoryError:
        return (_line(status=413, message="the body takes more memory than one may; send a smaller one"),)
    except Exception:  # a bug
        return (_line(bug=traceback.format_exc()),)
    preview = decoded.preview.encode()
    head = _line(shape=decoded.images.shape, form=decoded.form, preview=len(preview))
    return head, decoded.images.astype(np.float32, copy=False).tobytes(), preview


def _line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _prepare_pillow() -> None:
    """Import what decoding needs, while memory is not limited yet."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the service has a limit of its own
    Image.preinit()


def _limit_memory(growth: int) -> None:
    """Let memory grow by so many bytes from now on; where the system can't limit it, by any."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + growth
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_seconds(seconds: float) -> None:
    """Have the kernel end this process when the next body takes longer; it counts in whole seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
