"""The boot file of an inference service."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

    from trialmaker.platform import standard_streams
    from trialmaker.serving.main import main

    standard_streams.open_closed()
    sys.exit(main())
