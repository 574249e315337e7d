"""MLflow, kept off the training thread and out of the training process.

``client`` (light) starts ``process`` (heavy: MLflow, matplotlib) in a process of its own and sends it messages. So
MLflow's import and its new database cost no time before the first step, its writes take nothing from the loop, and when
the training process is killed, that process is still there to say so in MLflow.
"""
