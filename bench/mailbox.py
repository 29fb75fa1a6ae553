"""A mail server in a process of its own: `python -m bench.mailbox PORT`; it takes everything and keeps nothing.

Its `/health` is on the port after it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Taker:
    """Takes every mail."""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, offers: list[str]
    ) -> list[str]:
        """Offer what every server of today does (RFC 2920); aiosmtpd reads line by line, and so can take it."""
        session.host_name = name
        return [offers[0], "250-PIPELINING", *offers[1:]]

    async def handle_DATA(self, _server: SMTP, _session: Any, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """It is taken."""
        return "250 2.0.0 Taken"


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that it runs."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()


async def main(port: int) -> None:
    """Serve until it is ended."""
    loop = asyncio.get_running_loop()
    taker = Taker()
    servers = (
        await loop.create_server(lambda: SMTP(taker, hostname="mx.example", loop=loop), "127.0.0.1", port),
        await asyncio.start_server(healthy, "127.0.0.1", port + 1),
    )
    async with servers[0], servers[1]:
        await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asyncio.run(main(int(sys.argv[1])))
