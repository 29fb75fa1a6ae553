"""Where `singr-api` begins: from its first moment on Ctrl-C ends it, and in no traceback of an import."""

import gc
import signal
import sys


def main() -> None:
    """Load the command line and run it; exits."""
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # by default they end it; later they are told
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # loading takes a second; serving takes its signals over
    gc.disable()  # nothing of what is loaded is garbage, and looking costs a tenth of a start; later it looks again
    from singr_api.wiring.cli import main as run  # noqa: PLC0415 — see above
    from singr_config.pipes import reader_may_go  # noqa: PLC0415 — see above

    sys.exit(reader_may_go(run)())
