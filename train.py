"""The boot file of a training job."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

    from trialmaker.platform import interpreter

    interpreter.check("train.py")

    import time

    started = time.monotonic()  # before the other imports, since the platform's limit counts from here

    from trialmaker.platform import process_end, scratch, standard_streams
    from trialmaker.platform.signals import Signals

    process_end.begin()
    standard_streams.guard()
    scratch.begin()
    with Signals() as signals:
        signals.defer()  # while it imports

        from trialmaker.cli.train import train

        code = train(started, signals)
    process_end.exit_with(code)
