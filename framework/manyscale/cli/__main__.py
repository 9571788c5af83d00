"""`python -m manyscale.cli` is the command `manyscale`."""

from manyscale.cli import main

main()
