"""An Optuna sweeper for Hydra: pruning, resume, parallel workers, budgets. It knows nothing of the application."""
