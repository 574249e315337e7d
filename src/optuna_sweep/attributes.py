"""The names of the attributes that a sweep stores. Studies in use hold them: they must not change."""

# Trials' system attributes.
OWNER = "owner"  # the process that runs the trial, see leases.py
RETRIES = "retries"  # how many of its workers have died

# Trials' user attributes.
ERROR = "error"  # why it failed
OVERRIDES = "overrides"  # the overrides of its job
PRUNED = "pruned"  # whether the task was told to stop

# Studies' user attributes.
FINGERPRINT = "fingerprint"  # what is fixed in the study, see fingerprint.py
IMPORTANCE = "importance"  # the parameters' shares when its last command ended, see importance.py
