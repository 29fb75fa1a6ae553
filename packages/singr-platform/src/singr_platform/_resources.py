"""What the handlers of all job types need, built from the parts of a process."""

from contextlib import AsyncExitStack
from typing import Any

from singr_comms.notifications import Brands, MessageSender, Webhooks, message_sender, webhooks
from singr_comms.notifying import Digests
from singr_comms.people import Exports, PreferencesLook
from singr_comms.people.inbox import InboxNews
from singr_config import Settings
from singr_db import Database
from singr_jobs import Waker
from singr_observability import Metrics
from singr_platform._account_data import OwnAccounts
from singr_platform._parts import Parts


def job_resources(settings: Settings, parts: Parts, metrics: Metrics, ends: AsyncExitStack) -> dict[type, Any]:
    """Return what the handlers of `all_jobs` ask for, by its type.

    Args:
        settings: the process's.
        parts: its parts; what is enqueued by their database wakes workers at once from here on.
        metrics: where they count.
        ends: closes what has to be closed.
    """
    waker = Waker(parts.carrier())
    waker.attach(parts.db.session_info)  # what handlers enqueue begins at once
    ends.push_async_callback(waker.close)
    news = InboxNews(parts.redis)
    news.attach(parts.db.session_info)  # what goes into inboxes here is on screens at once
    ends.push_async_callback(news.close)
    sender = message_sender(
        settings,
        db=parts.db,
        sealer=parts.sealer,
        http=parts.http,
        metrics=metrics,
        last_look=PreferencesLook(),
    )
    ends.push_async_callback(sender.close)
    accounts = OwnAccounts(parts.db, parts.sealer)
    own_names = settings.own_names
    brands = Brands(parts.db, brand=settings.brand, api_url=settings.app.url_api, own_names=own_names)
    exports = Exports(
        parts.db,
        parts.sealer,
        settings.object_store,
        accounts=accounts,
        brand=settings.brand,
        brands=brands,
        own_names=own_names,
    )
    ends.push_async_callback(exports.close)
    return {
        Database: parts.db,
        MessageSender: sender,
        Webhooks: webhooks(settings, db=parts.db, sealer=parts.sealer, metrics=metrics, http=parts.http),
        Exports: exports,
        Digests: Digests(parts.db, parts.sealer, settings.app, settings.brand, metrics=metrics, own_names=own_names),
        Metrics: metrics,
    }
