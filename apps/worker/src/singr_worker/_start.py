"""Where `singr-worker` begins: from its first moment on Ctrl-C ends it, and in no traceback of an import."""

import signal


def main() -> None:
    """Load the command line and run it; exits."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # loading takes a second; the supervisor takes its signals over
    from singr_worker._cli import main as run  # noqa: PLC0415 — see above

    run()
