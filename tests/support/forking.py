"""Python programs in processes that are forked from one which has imported what they need."""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

MESSAGE_BYTES = 1 << 20


class ForkingPython:
    """A Python process that runs programs in forks of its own, one at a time.

    Args:
        imports: a program that imports what the others need; nothing in it may start a thread of Python's.
        environment: of that process; a program's own environment is set anew, but not what Python reads of it at its
            start, such as ``PYTHONPATH``.
    """

    def __init__(self, imports: str, environment: Mapping[str, str]) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, __file__, str(theirs.fileno()), imports]
        self.process = subprocess.Popen(words, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        atexit.register(self.close)

    def run(
        self, program: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> CompletedProcess[str]:
        """Run ``python PROGRAM ARGUMENTS`` in a folder, as ``subprocess.run`` does with ``capture_output``."""
        words = [str(program), *arguments]
        request = json.dumps({"words": words, "folder": str(folder), "environment": dict(environment)})
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            socket.send_fds(self.connection, [request.encode()], [output.fileno(), errors.fileno()])
            pid = json.loads(self.connection.recv(MESSAGE_BYTES))
            try:
                self.connection.settimeout(timeout)
                code = json.loads(self.connection.recv(MESSAGE_BYTES))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self.connection.settimeout(None)
                self.connection.recv(MESSAGE_BYTES)
                raise
            finally:
                self.connection.settimeout(None)
            texts = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode() for file in (output, errors)]
        return CompletedProcess([sys.executable, *words], code, *texts)

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.wait()


def serve(connection: socket.socket) -> None:
    """Fork for each request; return in the fork, when it is to run its program, and when there are no more requests."""
    while True:
        message, files, *_ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
        if not message:
            sys.exit()
        if not (pid := os.fork()):
            connection.close()
            become(json.loads(message), files)
            return
        for file in files:
            os.close(file)
        connection.send(json.dumps(pid).encode())
        connection.send(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Make this process what the request asks for, but for running its program."""
    for file, number in zip(files, (1, 2), strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["words"]
    sys.orig_argv[:] = [sys.executable, *request["words"]]


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file, in place of a program's
    exec(sys.argv[2], {})
    gc.freeze()  # so that a collection in a fork copies no memory
    serve(socket.socket(fileno=int(sys.argv[1])))
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
