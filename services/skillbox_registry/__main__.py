"""`python -m skillbox_registry [serve|migrate]`."""

from skillbox_registry.main import main

main()
