"""The boot file of an inference service."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

    from trialmaker.serving.main import main

    sys.exit(main())
