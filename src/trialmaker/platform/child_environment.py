"""The environment of the processes that run beside a training: this process's at its start, to which no config adds.

Hydra sets a config's ``hydra.job.env_set`` in this process. Of what was set since the start, settings and keys are
passed on by name, and nothing by which Python, or the loader of its libraries, would run code.
"""

import os
from pathlib import Path

from trialmaker.platform import paths

# What may have been set, or changed, since the start.
PASSED_NAMES = {
    *("HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
PASSED_PREFIXES = (
    *("AI_", "TRIALMAKER_", "MLFLOW_", "LC_", "XDG_", "MPL", "CUDA_", "NVIDIA_", "OMP_", "OPENBLAS_", "MKL_", "COV"),
    *("SSL_CERT_", "REQUESTS_", "CURL_", "GOOGLE_", "AZURE_", "DATABRICKS_", "PG", "MYSQL_"),
)
LEFT_OUT = ("MODELMAKER_",)  # the keys of the service's callers
# Of a process that reads what strangers send: nothing that is worth reading.
BARE_NAMES = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR")


def bare_environment() -> dict[str, str]:
    """Return the environment of a process of ours that reads what strangers send: without keys and settings."""
    environment = {name: os.environ[name] for name in BARE_NAMES if name in os.environ}
    path = os.pathsep.join(filter(None, [str(paths.SOURCE), environment.get("PYTHONPATH")]))
    return environment | {"PYTHONPATH": path}


def child_environment(*, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of a process that runs beside a training.

    Args:
        without: what the names of variables that are left out begin with.
    """
    started = _started_with()
    kept = {name: value for name, value in started.items() if name in os.environ}
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_NAMES or name.startswith(PASSED_PREFIXES) or (not started and name == "PATH")
    }
    return {name: value for name, value in (kept | passed).items() if not name.startswith((*LEFT_OUT, *without))}


def _started_with() -> dict[str, str]:
    """Return the environment that this process began with; nothing where the system does not say."""
    try:
        content = Path("/proc/self/environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
