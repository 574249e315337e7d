"""``python -m trialmaker``."""

import sys

from trialmaker.cli.main import main

sys.exit(main())
