"""The commands: ``train.py``'s entry, and ``python -m trialmaker COMMAND``, a file each."""
