"""``python -m trialmaker``."""

import sys

if __name__ == "__main__":
    # The current directory may hold an output that somebody else made, whose numpy.py must not run.
    if not getattr(sys.flags, "safe_path", False) and __file__ != f"{sys.path[0]}/trialmaker/__main__.py":
        del sys.path[0]

    from trialmaker.platform import interpreter

    interpreter.check("trialmaker")

    from trialmaker.cli.main import main

    sys.exit(main())
