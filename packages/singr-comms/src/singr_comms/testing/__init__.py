"""Notifications in memory, for tests of a service that tells people something: no server, no waiting.

outbox = MemoryNotifications()
async with outbox.tenant(organization_id) as session:  # in place of `db.tenant`
    await put_recipient(session, "u-17", RecipientInput(email="ada@example.org"), sealer=sealer)
    await notify(session, ParcelReady(...), Target(recipient="u-17"), sealer=sealer)
assert [message.to for message in outbox.sent] == [EmailAddress("ada@example.org")]

Needs the extra `notifications`.
"""

from singr_config.extras import require_extra

require_extra(
    "singr-comms",
    "notifications",
    *("singr_db", "singr_jobs", "singr_observability", "psycopg", "sqlalchemy", "phonenumbers", "email_validator"),
)

from singr_comms.notifying.memory._model import MemoryMessage
from singr_comms.testing._outbox import MemoryNotifications, MemorySession

__all__ = ["MemoryMessage", "MemoryNotifications", "MemorySession"]
