"""Runs the tests many times in a row, each time in another order, on a machine that has other work: `make steady`.

A test that passes only after another, only alone or only on a quick machine does not pass here. Stops at the first run
that fails, and says with which seed its order comes back.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

_BUSY = "while True: pass"


def main(arguments: Sequence[str]) -> int:
    """Run `TIMES -- COMMAND…`; gives the exit code of the first run that failed."""
    times, _, *command = arguments
    with busy_cores():
        for number in range(1, int(times) + 1):
            seed = str(secrets.randbelow(1_000_000))
            print(f"steady: run {number} of {times}, --shuffle {seed}", flush=True)
            began = time.monotonic()
            code = subprocess.run([*command, "--shuffle", seed], check=False).returncode  # noqa: S603 — make's own words
            print(f"steady: run {number} took {time.monotonic() - began:.0f} s", flush=True)
            if code:
                print(f"steady: run {number} failed; its order again: make test ARGS='--shuffle {seed}'", flush=True)
                return code
    return 0


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Keep each core busy until the block ends."""
    burners = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]  # noqa: S603 — ours
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
