"""The command line `skillbox`."""

import sys


def main() -> None:
    """Runs the command line."""
    try:
        from skillbox.cli.app import app  # noqa: PLC0415 - the bare SDK comes without these
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("skillbox", "skillbox_common"):
            raise
        sys.exit(
            f"Error: the command line needs the package {error.name}\n"
            'pip install "skillbox[cli]" installs everything it needs.'
        )
    app()
