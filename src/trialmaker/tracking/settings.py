"""MLflow's settings, and the names under which it keeps what is TrialMaker's. Light: it imports no MLflow."""

STORE_FILE = "mlflow.db"  # in an output, and in a merged store
STORE_LOCK_FILE = ".mlflow.lock"  # in an output: one process at a time makes a store, an experiment, a study's run
STUDY_TAG, TRIAL_TAG, STATE_TAG = "trialmaker.study", "trialmaker.trial", "trialmaker.trial_state"
RUN_KEY_TAG, END_TAG = "trialmaker.run_key", "trialmaker.end"

# To be set before MLflow is imported, which reads them. A store that cannot be reached is then an error in seconds,
# not in minutes.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MPLBACKEND": "agg",
}
# For the tracking process, which tries again by itself: a request that MLflow repeats would make two runs of one.
NO_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
# Of the environment of whoever starts a training. They are the defaults of the config's fields, and would confuse the
# tracking process, which is told each run's store, experiment and name.
RUN_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_NAME",
    "MLFLOW_RUN_ID",
)
