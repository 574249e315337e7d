"""The variables by which gRPC is set, here, in TensorFlow and in Optuna; its first use in a process reads them."""

import os
from collections.abc import Iterable

DIRECT = "no_grpc_proxy"  # hosts that are reached without a proxy; where it is not set, gRPC looks at ``no_proxy``


def prepare(hosts: Iterable[str]) -> None:
    """Have gRPC be silent, and reach such hosts without the proxies of the environment, in child processes too."""
    # its handlers of forks say on standard error that they do nothing
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    before = os.environ.get(DIRECT, os.environ.get("no_proxy", ""))
    os.environ[DIRECT] = ",".join(dict.fromkeys([*filter(None, before.split(",")), *hosts]))
