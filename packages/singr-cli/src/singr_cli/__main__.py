"""`python -m singr_cli` is `singr`."""

import sys

from singr_cli import main

if __name__ == "__main__":
    sys.exit(main())
