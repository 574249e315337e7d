"""The boot file of a training job."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    started = time.monotonic()  # before the imports, since the platform's limit counts from here
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

    from trialmaker.platform import standard_streams
    from trialmaker.platform.signals import Signals

    standard_streams.guard()
    with Signals() as signals:
        signals.defer()  # while it imports

        from trialmaker.cli.train import train

        code = train(started, signals)
    sys.exit(code)
