"""OmegaConf resolvers that the files in ``conf/`` use."""

import os

from omegaconf import OmegaConf

from trialmaker.config import environment
from trialmaker.config.help import help_text
from trialmaker.errors import UserError
from trialmaker.platform import paths


def register() -> None:
    """Register ``ai_root``, ``environment``, ``input``, ``process_id`` and ``manual``; repeated calls are harmless.

    Raises:
        UserError: the root's path would be read as an interpolation, for which OmegaConf has no escape.
    """
    if "${" in str(paths.root()):
        raise UserError(f"AI_ROOT={paths.root()}: must not contain ${{, which means another value in the config")
    OmegaConf.register_new_resolver("ai_root", lambda: str(paths.root()), replace=True)
    OmegaConf.register_new_resolver("environment", environment.variable, replace=True)
    OmegaConf.register_new_resolver("input", _input, replace=True)
    OmegaConf.register_new_resolver("process_id", os.getpid, replace=True)
    OmegaConf.register_new_resolver("manual", help_text, replace=True)


def _input(name: str) -> str | None:
    path = paths.inputs().get(name)
    return str(path) if path else None
