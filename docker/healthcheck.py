# ruff: noqa: INP001, T201 - a script that an image carries: it prints, and no package holds it
"""Ask a process of this container how it is: `healthcheck.py PORT-VARIABLE PATH`; exit code 1 when it is not well.

The slim image has no curl, and Python is there anyway.
"""

import os
import sys
import urllib.error
import urllib.request

_SECONDS = 4


def main() -> int:
    """Ask, and say why not."""
    variable, path = sys.argv[1:]
    address = f"http://127.0.0.1:{os.environ[variable]}{path}"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS):
            return 0
    except urllib.error.HTTPError as error:
        print(f"{address} answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except OSError as error:
        print(f"{address} does not answer: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
