"""The boot file of a training job."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from trialmaker.cli import train

if __name__ == "__main__":
    sys.exit(train())
