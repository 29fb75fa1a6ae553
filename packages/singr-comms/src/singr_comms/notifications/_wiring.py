"""From settings to a sender, as both apps need it."""

from typing import Any

import httpx

from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.inbound import Doors
from singr_comms.notifications.callbacks._processing import Webhooks
from singr_comms.notifications.sending._sender import MessageSender
from singr_comms.providers._factory import build_line_up
from singr_config import Settings
from singr_db import Database, Sealer
from singr_observability import Metrics, trace_headers


def message_sender(
    settings: Settings, *, db: Database, sealer: Sealer, http: httpx.AsyncClient, metrics: Metrics
) -> MessageSender:
    """Build the sender that the settings describe; provider calls carry the current request id and trace.

    It sends every message type that is installed.

    Args:
        settings: all sections; those for the app, the brand, e-mail, SMS and limits are read.
        db: the database, opened by the caller.
        sealer: made from `AUTH_SECRET`; the same as in the process that queues.
        http: shared by all HTTP providers; the caller closes it.
        metrics: counts and times sends.

    Raises:
        UnknownProviderError: the settings name a provider that this version cannot use.
        DeclarationError: an installed distribution declares a message type wrong.
    """
    message_types.add_installed()
    providers: dict[str, Any] = {
        name: build_line_up(
            name, getattr(settings, name, None), settings.app, http, trace_headers=trace_headers, brand=settings.brand
        )
        for name in CHANNELS
    }
    api_url = settings.app.url_api
    return MessageSender(db, sealer, limits=settings.limits, metrics=metrics, api_url=api_url, **providers)


def webhooks(settings: Settings, *, db: Database, sealer: Sealer, metrics: Metrics) -> Webhooks:
    """Build what applies callbacks of providers; a worker passes it as resource.

    Args:
        settings: all sections; the secrets and addresses of callbacks are read.
        db: the database, opened by the caller.
        sealer: made from `AUTH_SECRET`; the same as in the process that receives them.
        metrics: counts what comes of them.
    """
    return Webhooks(db, sealer, Doors(settings), metrics)
