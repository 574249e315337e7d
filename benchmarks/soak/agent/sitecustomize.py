"""Loaded by each Python process of a soaked run, since PYTHONPATH names this folder: the tested code stays as it is."""

import importlib
import os

if "TRIALMAKER_SOAK_DIRECTORY" in os.environ:
    importlib.import_module("soak_agent").start()
