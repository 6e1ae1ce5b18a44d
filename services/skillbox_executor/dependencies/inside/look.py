"""In a box with a dependency set: tells whether all of it is there."""

import os
import sys

sys.exit(0 if os.path.isdir(sys.argv[1]) else 1)  # noqa: PTH112
