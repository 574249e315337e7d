"""What ``python -m trialmaker`` runs at the project's root where ``src/`` is not on Python's path.

That is so outside of the environment that ``make`` creates. This folder must stay without an ``__init__.py``: then the
package in ``src/`` is found before it wherever there is one on the path.
"""

import os
import runpy
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src"))
    sys.modules.pop("trialmaker", None)  # this folder
    runpy.run_module("trialmaker", run_name="__main__", alter_sys=True)
