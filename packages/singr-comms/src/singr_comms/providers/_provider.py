"""What a provider declares: its name, its channel, and how it is built from settings."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

import httpx

from singr_comms.channels._channel import Provider
from singr_comms.channels.email import EmailAddress
from singr_comms.providers._http import TraceHeaders
from singr_config import BrandSettings


@dataclass(frozen=True, slots=True)
class Given:
    """What a provider is built from.

    Args:
        settings: the settings of its channel, such as `singr_config.EmailSettings`; its own are a section of them.
        http: shared by all HTTP providers; whoever made it closes it.
        trace_headers: headers for each call, such as `singr_observability.trace_headers`.
        brand: whose messages they are.
    """

    settings: Any
    http: httpx.AsyncClient
    trace_headers: TraceHeaders | None
    brand: BrandSettings

    def sender(self) -> EmailAddress:
        """The sender of e-mails, for every provider that has none of its own."""
        name, address = parseaddr(self.settings.sender)
        if not address:
            return EmailAddress(self.settings.mailjet.from_email, self.settings.mailjet.from_name or None)
        return EmailAddress(address, name or self.brand.name)


@dataclass(frozen=True, slots=True)
class ProviderType:
    """Who delivers. A plainly named module of this package declares one as `PROVIDER`, and is listed nowhere else.

    Args:
        name: as the settings name it (`EMAIL_PROVIDER=mailjet`).
        channel: what it delivers, such as `email`.
        build: makes it from its settings; calls nobody.
    """

    name: str
    channel: str
    build: Callable[[Given], Provider]
