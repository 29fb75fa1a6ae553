"""The SMTP side: accepts every mail that comes over loopback and keeps it."""

import asyncio
import socket
import threading

from aiosmtpd.smtp import SMTP, Envelope, Session

from singr_dev._errors import DevError
from singr_dev.inbox._store import MailStore

_LARGEST_MAIL = 33_554_432
_START_SECONDS = 10.0


class _Handler:
    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def handle_EHLO(  # noqa: N802 — aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, offers: list[str]
    ) -> list[str]:
        # As mail servers do (RFC 2920): aiosmtpd reads line by line, and so takes commands that come together.
        session.host_name = name
        return [offers[0], "250-PIPELINING", *offers[1:]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 — aiosmtpd's name
        raw = envelope.original_content or b""
        await asyncio.to_thread(
            self._store.add, raw, [str(item) for item in envelope.rcpt_tos], envelope.mail_from or ""
        )
        return "250 2.0.0 Kept in the development inbox"


class SmtpServer:
    """SMTP on a listening socket, in a thread of its own."""

    def __init__(self, store: MailStore, listener: socket.socket) -> None:
        self._store = store
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="singr-dev-smtp", daemon=True)

    def start(self) -> None:
        """Begin to accept mail."""
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise DevError("the SMTP server of the inbox did not start")

    def stop(self) -> None:
        """Stop accepting; a mail in transfer is cut off."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        handler = _Handler(self._store)
        sessions: set[SMTP] = set()

        def session() -> SMTP:
            made = SMTP(
                handler,
                hostname="inbox.localhost",
                ident="Singr inbox",
                data_size_limit=_LARGEST_MAIL,
                enable_SMTPUTF8=True,
            )
            sessions.add(made)
            return made

        server = await self._loop.create_server(session, sock=self._listener)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for made in sessions:
            if isinstance(made.transport, asyncio.WriteTransport):
                made.transport.abort()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
