"""Every field of a run, its check, and the way from runtime parameters to Hydra's overrides."""
