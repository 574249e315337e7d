"""The boot file of an inference service."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

    from trialmaker.platform import interpreter

    interpreter.check("predict.py", interpreter.SERVING)

    from trialmaker.platform import scratch, standard_streams
    from trialmaker.serving.main import main

    standard_streams.open_closed()
    scratch.begin()
    sys.exit(main())
