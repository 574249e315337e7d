"""MLflow, kept off the training thread and out of the training process.

``client`` (light) appends what the training says to the run's ``journal`` and starts ``process`` (heavy: MLflow,
matplotlib), a process of its own that reads the journal and writes to MLflow; ``delivery`` is how, and remembers how
far it has come. So MLflow's import and a new database cost no time before the first step, MLflow's writes take nothing
from the loop, a server may be away and the tracking process may die, and when the training process is killed, the
tracking process is still there to record that in MLflow.
"""
