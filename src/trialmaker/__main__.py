"""``python -m trialmaker``."""

import sys

from trialmaker.commands import main

sys.exit(main())
