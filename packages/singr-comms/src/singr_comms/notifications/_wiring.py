"""From settings to a sender, as both apps need it."""

from collections.abc import Sequence
from typing import Any, Protocol

import httpx

from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.channels._channel import Provider
from singr_comms.inbound import Doors
from singr_comms.notifications.branding._worn import Brands
from singr_comms.notifications.callbacks._processing import Webhooks
from singr_comms.notifications.callbacks._stripe import StripeSubscriptions
from singr_comms.notifications.reading._explain import Explainer
from singr_comms.notifications.sending._line_ups import LineUps
from singr_comms.notifications.sending._sender import MessageSender
from singr_comms.notifications.sending._try import LastLook
from singr_comms.providers._factory import build_line_up, line_up_names
from singr_config import AppSettings, BrandSettings, LimitSettings, Settings
from singr_db import Database, Sealer
from singr_observability import Metrics, trace_headers


class SenderSettings(Protocol):
    """What a sender reads: these, and a section for each channel, named as it is. `Settings` has them all."""

    @property
    def app(self) -> AppSettings:
        """Where it runs, and the address that readers unsubscribe at."""

    @property
    def brand(self) -> BrandSettings:
        """Whose messages they are."""

    @property
    def limits(self) -> LimitSettings:
        """How many there may be."""


def message_sender(
    settings: SenderSettings,
    *,
    db: Database,
    sealer: Sealer,
    http: httpx.AsyncClient,
    metrics: Metrics,
    last_look: LastLook | None = None,
) -> MessageSender:
    """Build the sender that the settings describe; provider calls carry the current request id and trace.

    It sends every message type that is installed.

    Args:
        settings: `Settings`, or a struct of one's own with the sections for app, brand, limits and channels, as
            `load_section` reads one; and `own_names`, where it has them.
        db: the database, opened by the caller.
        sealer: made from `AUTH_SECRET`; the same as in the process that queues.
        http: shared by all HTTP providers; the caller closes it.
        metrics: counts and times sends.
        last_look: as `MessageSender` takes it.

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
    return MessageSender(
        db,
        sealer,
        limits=settings.limits,
        metrics=metrics,
        api_url=api_url,
        last_look=last_look,
        brands=Brands(db, brand=settings.brand, api_url=api_url, own_names=getattr(settings, "own_names", ())),
        **providers,
    )


def explainer(
    settings: SenderSettings, *, db: Database, sealer: Sealer, **providers: Provider | Sequence[Provider]
) -> Explainer:
    """Build what says why a message would not go, by the settings that `message_sender` goes by.

    Args:
        settings: `Settings`, or a struct of one's own: as the workers have them.
        db: the database, opened by the caller.
        sealer: made from `AUTH_SECRET`; the same as in the process that queues.
        providers: who sends, as `MessageSender` was given them (`email=postbox, sms=(first, second)`); by the
            other channels go those that the settings name.

    Raises:
        DeclarationError: an installed distribution declares a message type wrong.
        TypeError: there is no such channel.
    """
    message_types.add_installed()
    if unknown := providers.keys() - CHANNELS.keys():
        raise TypeError(f"there is no channel {', '.join(sorted(unknown))}; there are {', '.join(sorted(CHANNELS))}")
    given = LineUps(providers).names
    named: dict[str, Any] = {
        name: given[name] if name in given else line_up_names(name, getattr(settings, name, None)) for name in CHANNELS
    }
    allow_test = not settings.app.env.is_production
    return Explainer(db, sealer, limits=settings.limits, allow_test=allow_test, **named)


def webhooks(
    settings: Settings, *, db: Database, sealer: Sealer, metrics: Metrics, http: httpx.AsyncClient | None = None
) -> Webhooks:
    """Build what applies callbacks of providers; a worker passes it as resource.

    Args:
        settings: all sections; the secrets and addresses of callbacks are read.
        db: the database, opened by the caller.
        sealer: made from `AUTH_SECRET`; the same as in the process that receives them.
        metrics: counts what comes of them.
        http: asks Stripe; the caller closes it. Without it nothing follows from what Stripe tells.
    """
    subscriptions = None if http is None else StripeSubscriptions(db, settings.stripe, http)
    return Webhooks(db, sealer, Doors(settings), metrics, subscriptions=subscriptions)
