"""Why instances do nothing more together."""

from collections.abc import Sequence

from trialmaker.errors import UserError

START_AGAIN = "start the job again"


class MeetingOver(UserError):
    """The end of what instances do together: one is gone, has ended, or is another's opposite.

    Args:
        message: names the instance, and the way on.
        code: the exit code of the instance that has ended, where that is the reason.
    """

    def __init__(self, message: str, code: int = UserError.exit_code) -> None:
        super().__init__(message)
        self.exit_code = code


def not_come(names: Sequence[str], seconds: float, reason: str = "") -> MeetingOver:
    """Return the error for instances that have not come in time.

    Args:
        reason: why that may be; "" where nothing is known.
    """
    late = "has not come within" if len(names) == 1 else "have not come within"
    ways = f"{START_AGAIN}, give training.instances_seconds more, or train on the first alone with instances=ignore"
    but = f", but {reason}" if reason else ""
    return MeetingOver(f"{', '.join(names)} {late} {seconds:g} s{but}: {ways}")
