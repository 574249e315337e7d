"""Hydra sweeps as Optuna studies: pruning, resume, parallel workers, budgets. It knows nothing of the application."""
