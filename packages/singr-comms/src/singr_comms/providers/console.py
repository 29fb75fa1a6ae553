"""Providers that log what they would have sent, and count it as sent."""

import logging
from collections.abc import Callable
from typing import Final

from singr_comms._masking import mask_email, mask_phone
from singr_comms.channels._channel import SendReceipt
from singr_comms.channels.email import EmailEnvelope, check_email, render_email
from singr_comms.channels.sms import SmsEnvelope, check_sms, render_sms
from singr_comms.models._message import kind_of
from singr_comms.rendering._segments import sms_segments
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings

Log = Callable[[str], None]
"""Takes one line, or several."""

_NAME: Final = "console"


def to_logging(line: str) -> None:
    """Log a line at level INFO; print it where nobody has set up logging, as in a script."""
    logger = logging.getLogger("singr_comms")
    if logger.hasHandlers():
        logger.info("%s", line)
    else:
        print(line, flush=True)  # noqa: T201 - what a console provider is for


class _Console:
    """What both channels share.

    Args:
        log: Where lines go; unless given, to the logger ``singr_comms`` at level INFO, or to standard output where
            nobody has set up logging.
        show_content: Log the words too. Off in production, where codes and links in logs would be keys for whoever
            reads them; the recipient is masked in any case.
        brand: Whose messages they are.
    """

    def __init__(
        self, *, log: Log | None = None, show_content: bool = False, brand: BrandSettings = DEFAULT_BRAND
    ) -> None:
        self._log = log or to_logging
        self._show_content = show_content
        self._brand = brand

    @property
    def name(self) -> str:
        """``console``."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """Nothing leaves: trying again is always safe."""
        return True


class ConsoleEmailProvider(_Console):
    """Logs e-mails. Also stands in for the real provider when ``ENABLE_EMAIL_SENDING`` is off."""

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Render and log; see :class:`EmailProvider`."""
        envelope = check_email(envelope)
        rendered = render_email(envelope.message, self._brand)
        line = f"e-mail {kind_of(envelope.message)} to {mask_email(envelope.to.email)}"
        self._log(f"{line}: {rendered.subject}\n{rendered.text}" if self._show_content else line)
        return SendReceipt(_NAME, f"console-{envelope.idempotency_token}")


class ConsoleSmsProvider(_Console):
    """Logs SMS. Also stands in for the real provider when ``ENABLE_SMS_SENDING`` is off."""

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Render and log; see :class:`SmsProvider`."""
        envelope = check_sms(envelope)
        text = render_sms(envelope.message, self._brand)
        size = sms_segments(text)
        line = f"SMS {kind_of(envelope.message)} to {mask_phone(envelope.to)} ({size.encoding}, parts: {size.segments})"
        self._log(f"{line}: {text}" if self._show_content else line)
        return SendReceipt(_NAME, f"console-{envelope.idempotency_token}")
