"""In a builder of Python: installs requirements.txt with the pip that lies beside it."""

import compileall
import os
import sys
import tempfile
from py_compile import PycInvalidationMode

from pip._internal.cli.main import main

TARGET = "out/files"
PACKAGES = "/opt/skillbox/deps/packages"

# The box's /tmp is too small for large packages.
tempfile.tempdir = os.path.abspath("unpacking")  # noqa: PTH100 - a text is what it wants
os.mkdir(tempfile.tempdir)  # noqa: PTH102
code = main(
    [
        "install",
        "--isolated",  # no settings of the image
        "--no-input",
        "--no-cache-dir",
        "--no-compile",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--progress-bar=off",
        "--only-binary=:all:",  # a source distribution would run its own code
        f"--target={TARGET}",
        "--requirement=requirements.txt",
        *sys.argv[1:],
    ]
)
if code == 0:
    # Unchecked, because the modification times do not come along. What does not compile, such
    # as files for other versions, would not be imported either.
    compileall.compile_dir(
        TARGET,
        quiet=2,
        stripdir=TARGET,
        prependdir=PACKAGES,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
sys.exit(code)
