"""``python -m sim.cli``: the command line without its script."""

from sim.cli import main

main()
