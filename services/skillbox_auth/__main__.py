"""`python -m skillbox_auth [serve|migrate]`."""

from skillbox_auth.main import main

main()
