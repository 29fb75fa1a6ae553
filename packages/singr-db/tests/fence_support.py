"""Rows for every table with an organization."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from singr_db import new_id
from singr_db.tables import (
    Base,
    BulkAction,
    DataKey,
    DeadLetter,
    DigestChoice,
    DigestWindow,
    IdempotencyRecord,
    Invitation,
    Job,
    JobAttempt,
    Membership,
    Message,
    MessageQuota,
    NotedObject,
    Notification,
    NotificationTarget,
    Preference,
    PushDevice,
    Recipient,
    Schedule,
    ScheduleFire,
    ServiceCredential,
    Suppression,
    Topic,
)

SOON = datetime.now(UTC) + timedelta(hours=1)
PERSON, STAFF = new_id(), new_id()
# What a row needs where the types of its columns do not tell.
PARTICULAR: dict[type[Base], Callable[[], dict[str, Any]]] = {
    Job: lambda: {"queue": "default", "payload": {}},
    JobAttempt: lambda: {"outcome": "failed"},
    IdempotencyRecord: lambda: {"state": "running"},
    Message: lambda: {"channel": "email"},
    MessageQuota: lambda: {"channel": "sms"},
    ServiceCredential: lambda: {"kind": "signing", "secret_sealed": b"s"},
    Membership: lambda: {"user_id": PERSON, "role_id": STAFF},
    Invitation: lambda: {"role_id": STAFF},
    Schedule: lambda: {"every": 60.0, "job": {}},
    ScheduleFire: lambda: {"outcome": "fired"},
    BulkAction: lambda: {"action": "cancel", "filter": {}},
    Suppression: lambda: {"channel": "email", "scope": "all", "reason": "bounced"},
    Preference: lambda: {"scope": "type", "name": str(new_id()), "source": "organization"},
    DigestChoice: lambda: {
        "scope": "type",
        "name": str(new_id()),
        "frequency": "daily",
        "source": "organization",
    },
    DeadLetter: lambda: {"error": {}, "attempts": []},
    DataKey: lambda: {"wrapped": b"w"},
    PushDevice: lambda: {"platform": "ios"},
    Notification: lambda: {"audience": {"kind": "all"}, "channels": ["email"]},
    DigestWindow: lambda: {"period": "daily"},
    NotedObject: lambda: {"kind": "logo"},
    NotificationTarget: lambda: {"recipient_id": new_id()},
}
# What rows belong to that must be there, has the id of its organization: see `parents`.
PARENTS = {"recipient_id": Recipient, "topic_id": Topic, "notification_id": Notification, "window_id": DigestWindow}
EXAMPLES: dict[type, Callable[[], Any]] = {
    str: lambda: str(new_id()),
    bytes: lambda: new_id().bytes,
    int: lambda: 1,
    float: lambda: 30.0,
    bool: lambda: False,
    datetime: lambda: SOON,
    UUID: new_id,
}


def row_of(model: type[Base], organization_id: UUID) -> dict[str, Any]:
    """What every row of a table needs, with values of its own."""
    row = {"organization_id": organization_id, **PARTICULAR.get(model, dict)()}
    for column in model.__table__.columns:
        given = column.nullable or column.default is not None or column.server_default is not None
        if column.name not in row and not given:
            row[column.name] = organization_id if column.name in PARENTS else EXAMPLES[column.type.python_type]()
    return row


def parents_of(model: type[Base], organization_id: UUID) -> list[tuple[type[Base], dict[str, Any]]]:
    """The rows that one of `row_of` belongs to, in order."""
    columns = model.__table__.columns
    needed = [parent for name, parent in PARENTS.items() if name in columns and not columns[name].nullable]
    return [(parent, row_of(parent, organization_id) | {"id": organization_id}) for parent in needed]
