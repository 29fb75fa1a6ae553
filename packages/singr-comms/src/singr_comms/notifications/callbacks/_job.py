"""The job that applies one stored callback, as it is queued."""

from uuid import UUID

import msgspec


class ProcessWebhook(msgspec.Struct, frozen=True, tag="webhook.process"):
    """Apply a callback that is stored."""

    webhook_id: UUID
