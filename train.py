"""The boot file of a training job."""

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    started = time.monotonic()  # before the imports, since the platform's limit counts from here
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

    from trialmaker.cli import train

    sys.exit(train(started))
