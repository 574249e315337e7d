"""Hydra sweeps as Optuna studies: pruning, resume, parallel workers, limits; for any application."""
