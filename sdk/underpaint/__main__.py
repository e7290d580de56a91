"""`python -m underpaint` is `underpaint`."""

from underpaint.cli import main

main()
