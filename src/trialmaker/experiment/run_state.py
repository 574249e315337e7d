"""What a run's checkpoints hold."""

from pathlib import Path

from trialmaker.experiment.result_listener import ResultListener
from trialmaker.experiment.resume.checkpoint_format import FORMAT, CheckpointMisfit, check_values
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.platform.log_file import log_file_size
from trialmaker.training.loop_state import LoopState
from trialmaker.training.program import Program
from trialmaker.training.snapshot import Misfit, Snapshot
from trialmaker.training.step_means import StepMeans
from trialmaker.training.tensorboard_listener import TensorBoardListener


class RunState:
    """The state of a run's training, and of those that listen to it.

    Args:
        program: that is trained.
        means, results, reporter, board: listeners that remember what they were told.

    Attributes:
        loop: how far the training has come.
    """

    def __init__(
        self,
        program: Program,
        means: StepMeans,
        results: ResultListener,
        reporter: TrialReporter,
        board: TensorBoardListener,
    ) -> None:
        self.loop = LoopState()
        self.program, self.means, self.results, self.reporter, self.board = program, means, results, reporter, board

    def capture(self) -> Snapshot:
        """Return the state, copied, with the sizes of the files that are cut back to it when the run goes on."""
        run = {
            "log_size": log_file_size(),
            "event_files": self.board.positions(),
            "history": [[epoch, dict(metrics)] for epoch, metrics in self.results.history],
            "reports": [list(report) for report in self.reporter.reports],
        }
        parts = {"loop": self.loop.snapshot(self.program), "means": self.means.snapshot(), "run": Snapshot(run, {})}
        whole = Snapshot.join(parts)
        return Snapshot({"format": FORMAT, **whole.values}, whole.arrays)

    def restore(self, snapshot: Snapshot, folder: Path) -> None:
        """Go on from a snapshot; the event files have been cut back already.

        Args:
            snapshot: of a checkpoint.
            folder: that it lies in.

        Raises:
            CheckpointMisfit: it is of another program; nothing is changed.
        """
        check_values(snapshot.values, folder)
        try:
            LoopState.check(snapshot.part("loop"), self.program)
            StepMeans.check(snapshot.part("means"))
        except Misfit as error:
            raise CheckpointMisfit(folder, error) from error
        self.loop = LoopState.restore(snapshot.part("loop"), self.program)
        self.means.restore(snapshot.part("means"))
        run = snapshot.values["run"]
        self.results.restore([(epoch, metrics) for epoch, metrics in run["history"]], self.loop.best)
        self.reporter.restore((step, value) for step, value in run["reports"])
