"""The platform, emulated on this machine: ``python -m trialmaker job``."""
