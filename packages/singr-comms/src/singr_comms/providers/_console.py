"""Providers that log what they would have sent, and count it as sent."""

import logging
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from singr_comms.channels._channel import Channel, Envelope, SendReceipt
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailEnvelope
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.channels.push import PushEnvelope
from singr_comms.channels.sms import CHANNEL as SMS
from singr_comms.channels.sms import SmsEnvelope
from singr_comms.models._message import kind_of
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings

Log = Callable[[str], None]
"""Takes one line, or several."""

CONSOLE: Final = "console"
_Envelope = TypeVar("_Envelope", bound=Envelope)


def to_logging(line: str) -> None:
    """Log a line at level INFO; print it where nobody has set up logging, as in a script."""
    logger = logging.getLogger("singr_comms")
    if logger.hasHandlers():
        logger.info("%s", line)
    else:
        print(line, flush=True)  # noqa: T201 - what a console provider is for


class ConsoleProvider(Generic[_Envelope]):
    """Logs messages of one channel. Also stands in for the real provider where sending is switched off.

    Args:
        channel: what it takes.
        log: where lines go; unless given, to the logger `singr_comms` at level INFO, or to standard output where
            nobody has set up logging.
        show_content: log the words too. Off in production, where codes and links in logs would be keys for whoever
            reads them; the recipient is masked in any case.
        brand: whose messages they are.
    """

    def __init__(
        self,
        channel: Channel[Any, _Envelope],
        *,
        log: Log | None = None,
        show_content: bool = False,
        brand: BrandSettings = DEFAULT_BRAND,
    ) -> None:
        self._channel = channel
        self._log = log or to_logging
        self._show_content = show_content
        self._brand = brand

    @property
    def name(self) -> str:
        """`console`."""
        return CONSOLE

    @property
    def takes_idempotency_key(self) -> bool:
        """Nothing leaves: trying again is always safe."""
        return True

    async def send(self, envelope: _Envelope) -> SendReceipt:
        """Render and log; see `Provider`."""
        envelope = self._channel.check(envelope)
        brand = getattr(envelope, "brand", None) or self._brand  # a channel of a stranger's need not know of brands
        facts, words = self._channel.shown(envelope.message, brand, envelope.locale)
        line = f"{self._channel.said} {kind_of(envelope.message)} to {self._channel.masked(envelope.to)}{facts}"
        self._log(f"{line}: {words}" if self._show_content else line)
        return SendReceipt(CONSOLE, f"{CONSOLE}-{envelope.idempotency_token}")


class ConsoleEmailProvider(ConsoleProvider[EmailEnvelope]):
    """Logs e-mails; arguments as for `ConsoleProvider`."""

    def __init__(
        self, *, log: Log | None = None, show_content: bool = False, brand: BrandSettings = DEFAULT_BRAND
    ) -> None:
        super().__init__(EMAIL, log=log, show_content=show_content, brand=brand)


class ConsoleSmsProvider(ConsoleProvider[SmsEnvelope]):
    """Logs SMS; arguments as for `ConsoleProvider`."""

    def __init__(
        self, *, log: Log | None = None, show_content: bool = False, brand: BrandSettings = DEFAULT_BRAND
    ) -> None:
        super().__init__(SMS, log=log, show_content=show_content, brand=brand)


class ConsolePushProvider(ConsoleProvider[PushEnvelope]):
    """Logs pushes; arguments as for `ConsoleProvider`."""

    def __init__(
        self, *, log: Log | None = None, show_content: bool = False, brand: BrandSettings = DEFAULT_BRAND
    ) -> None:
        super().__init__(PUSH, log=log, show_content=show_content, brand=brand)
