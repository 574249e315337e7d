"""The Python interface: what ``import trialmaker`` offers to programs and notebooks."""
