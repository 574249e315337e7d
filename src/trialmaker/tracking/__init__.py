"""MLflow, kept off the training thread and out of the training process.

``client`` (light) starts ``process`` (heavy: MLflow, matplotlib) in a process of its own and sends it ``messages``;
``replies`` reads what comes back. So MLflow's import and a new database cost no time before the first step, MLflow's
writes take nothing from the loop, and when the training process is killed, the tracking process is still there to
record that in MLflow.
"""
