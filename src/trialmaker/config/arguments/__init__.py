"""The command line: from runtime parameters to Hydra's overrides."""
