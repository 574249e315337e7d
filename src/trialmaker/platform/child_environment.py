"""The environment of the processes that run beside a training: made by name, so that no config can add to it.

Hydra sets a config's ``hydra.job.env_set`` in this process. What Python, and the loader of its libraries, would run of
it in another process is taken from how this process was started; all else that is passed on is a setting or a key.
"""

import os
from pathlib import Path

from trialmaker.platform import paths

# By these a variable names code, or a file that names code; of the person who started this process.
AS_STARTED = ("PYTHON", "LD_", "JAVA_", "CLASSPATH", "GIT_CONFIG_", "AWS_", "CLOUDSDK_", "HADOOP_", "KRB5")
PASSED_NAMES = {
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "HOSTNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SSH_AUTH_SOCK",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
}
PASSED_PREFIXES = (
    *("AI_", "TRIALMAKER_", "MLFLOW_", "LC_", "XDG_", "MPL", "CUDA_", "NVIDIA_", "OMP_", "OPENBLAS_", "COV"),
    *("SSL_CERT_", "REQUESTS_", "CURL_", "BOTO", "GOOGLE_", "AZURE_", "DATABRICKS_", "KUBERNETES_", "PG", "MYSQL_"),
)
# Of a process that reads what strangers send: nothing that is worth reading.
BARE_NAMES = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR")


def bare_environment() -> dict[str, str]:
    """Return the environment of a process of ours that reads what strangers send: without keys and settings."""
    environment = {name: os.environ[name] for name in BARE_NAMES if name in os.environ}
    path = os.pathsep.join(filter(None, [str(paths.PROJECT / "src"), environment.get("PYTHONPATH")]))
    return environment | {"PYTHONPATH": path}


def child_environment(*, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of a process that runs beside a training.

    Args:
        without: what the names of variables that are left out begin with.
    """
    names = {name for name in os.environ if name in PASSED_NAMES or name.startswith(PASSED_PREFIXES)}
    passed = {name: os.environ[name] for name in names}
    code = {name: value for name, value in _started_with().items() if name.startswith(AS_STARTED)}
    return {name: value for name, value in (passed | code).items() if not name.startswith(without)}


def _started_with() -> dict[str, str]:
    """Return the environment that this process began with; nothing where the system does not say."""
    try:
        content = Path("/proc/self/environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
