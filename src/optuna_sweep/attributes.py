"""The names of the attributes that a sweep stores with its trials. Studies in use hold them: they must not change."""

# System attributes.
OWNER = "owner"  # the process that runs the trial, see leases.py
RETRIES = "retries"  # how many of its workers have died

# User attributes.
ERROR = "error"  # why it failed
OVERRIDES = "overrides"  # the overrides of its job
PRUNED = "pruned"  # whether the task was told to stop
