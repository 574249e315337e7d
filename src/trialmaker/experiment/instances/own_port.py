"""The port at which TensorFlow is to listen for the other instances."""

import os
import socket

from trialmaker.errors import StudyError, UserError
from trialmaker.platform.instances import Instance


def check_free(own: Instance) -> None:
    """Check that TensorFlow can have this instance's port: it would find out when the others wait for it in C code.

    Raises:
        StudyError: it cannot.
    """
    try:
        socket.create_server(("", own.port)).close()
    except OSError as error:
        why = f"cannot be opened ({os.strerror(error.errno or 0)})"
        law = "another process has it, or another job: end that, or give the instances other ports"
        raise StudyError(UserError(f"{own}: the instances' port {why}: {law}")) from error
