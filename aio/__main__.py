"""`python -m aio`: see aio.cli."""

import sys

from aio.cli import main

if __name__ == "__main__":
    sys.exit(main())
