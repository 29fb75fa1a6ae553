"""Whether a mail's commands leave together: where the server offers it, and takes it."""

import time
from typing import Final

import aiosmtplib

from singr_comms.providers._smtp._answers import Stage, refuses_pipelining

_PIPELINING: Final = "pipelining"
_ONE_BY_ONE: Final = 3600.0


class Pace:
    """How one server wants to be spoken to.

    Some servers, and firewalls before them, offer PIPELINING and forget what came with a command. Each mail would time
    out there for ever: so once one did, the mails of the next hour go command by command.
    """

    def __init__(self) -> None:
        self._slow_until = 0.0

    def together(self, client: aiosmtplib.SMTP) -> bool:
        """Whether the commands of the next mail on this connection leave together."""
        return client.supports_extension(_PIPELINING) and time.monotonic() >= self._slow_until

    def note(self, error: BaseException, stage: Stage) -> None:
        """Learn from a mail whose commands left together.

        Args:
            error: what came of it.
            stage: how far it had come.
        """
        # The first command was answered, and the next one was not.
        forgot = isinstance(error, TimeoutError) and stage in {Stage.RECIPIENT, Stage.DATA}
        if forgot or refuses_pipelining(error):
            self._slow_until = time.monotonic() + _ONE_BY_ONE
