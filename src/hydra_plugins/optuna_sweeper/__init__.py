"""What Hydra must find: the sweeper and its config. Their implementation is ``optuna_sweep``.

Hydra imports every module of this namespace whose last name part has no underscore, whenever it starts.
"""
