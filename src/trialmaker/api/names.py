"""All names of the Python interface."""

from trialmaker.api.classifier import Classifier, load_model
from trialmaker.api.run_frame import runs
from trialmaker.api.training import Study, TrainedRun, study, train
from trialmaker.errors import UserError

__all__ = ["Classifier", "Study", "TrainedRun", "UserError", "load_model", "runs", "study", "train"]
