"""`python -m singr_api`: the same as `singr-api`."""

import sys

from singr_api._cli import main

if __name__ == "__main__":
    sys.exit(main())
