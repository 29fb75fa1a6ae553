"""SMTP and HTTP over one directory of messages."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from singr_config import BrandSettings
from singr_dev._serving import listen, serving
from singr_dev.inbox._callbacks import Callbacks
from singr_dev.inbox._gallery import Gallery
from singr_dev.inbox._pages import application
from singr_dev.inbox._shorts import ShortChannel, ShortStore
from singr_dev.inbox._smtp import SmtpServer
from singr_dev.inbox._store import Mail, MailStore
from singr_dev.inbox._taken import tags, written
from singr_dev.simulators import Received, Simulator


class Inbox:
    """A mailbox that accepts every mail sent to it over loopback, and shows what simulators take beside them.

    Args:
        directory: where mails are kept as `.eml` files, text messages and pushes as `.sms` and `.push` ones.
        smtp_port: port for SMTP on 127.0.0.1; 0 takes a free one.
        http_port: port for the pages; 0 takes a free one.
    """

    url = ""
    callbacks: Callbacks | None = None
    """Plays what providers do afterwards, once an API runs to be told of it."""
    brand = BrandSettings()
    """Whose messages the gallery shows."""

    def __init__(self, directory: Path, *, smtp_port: int = 0, http_port: int = 0) -> None:
        self.store, self.shorts = MailStore(directory), ShortStore(directory)
        self.smtp_host = "127.0.0.1"
        self.smtp_port, self._http_port = smtp_port, http_port
        self._running = contextlib.ExitStack()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this inbox."""
        return {"EMAIL_PROVIDER": "smtp", "SMTP_HOST": self.smtp_host, "SMTP_PORT": str(self.smtp_port)}

    @property
    def mails(self) -> list[Mail]:
        """What has arrived, oldest first."""
        return self.store.all()

    def wait(
        self,
        *,
        to: str = "",
        subject: str = "",
        match: Callable[[Mail], bool] = lambda _: True,
        seconds: float = 20,
    ) -> Mail:
        """The first mail to `to` (address), or meant for it, with `subject` (part of it) that matches, waiting for it.

        Raises:
            TimeoutError: none came in time; the text lists what did.
        """

        def wanted(mail: Mail) -> bool:
            known = (*mail.envelope_to, mail.meant_for)
            return (not to or to in known) and subject in mail.subject and match(mail)

        return self.store.wait(wanted, seconds)

    def show(self, channel: Literal["email"] | ShortChannel, provider: str, simulator: Simulator) -> None:
        """Show what a provider's simulator takes from now on; of e-mail, that of Resend."""

        def keep(received: Received) -> None:
            item = (
                self._mail(provider, received) if channel == "email" else self.shorts.add(channel, provider, received)
            )
            if item is not None and self.callbacks is not None:
                self.callbacks.taken(item)

        simulator.listeners.append(keep)

    def _mail(self, provider: str, received: Received) -> Mail | None:
        known = {
            "provider": provider,
            "provider_id": received.id,
            "message_id": tags(received.message).get("message_id", ""),
        }
        return self.store.get(self.store.add(*written(received), known))

    def clear(self) -> None:
        """Delete every message."""
        self.store.clear()
        self.shorts.clear()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            listener = listen(self.smtp_host, self.smtp_port)
            stack.callback(listener.close)
            self.smtp_port = listener.getsockname()[1]
            smtp = SmtpServer(self.store, listener)
            smtp.start()
            stack.callback(smtp.stop)
            self.url = stack.enter_context(
                serving(
                    application(self.store, self.shorts, Gallery(lambda: self.brand), lambda: self.callbacks),
                    port=self._http_port,
                )
            )
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()
