"""In a filler of Python: makes visible what was unpacked, all at once."""

import os
import shutil
import sys

program, unpacked, kept = sys.argv
os.remove(program)  # noqa: PTH107 - these are names, not paths
shutil.rmtree("out", ignore_errors=True)
# A half of it must not be seen after a power failure either.
os.sync()
try:
    os.rename(unpacked, kept)  # noqa: PTH104
except OSError:
    if not os.path.isdir(kept):  # noqa: PTH112
        raise
    shutil.rmtree(unpacked)  # another filler was faster
