"""``python -m trialmaker``."""

import sys

from trialmaker.platform import interpreter

if __name__ == "__main__":
    interpreter.check("trialmaker")

    from trialmaker.cli.main import main

    sys.exit(main())
