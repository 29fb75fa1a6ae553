"""Singr's tables, as SQLAlchemy declarative models, and the states their rows can be in.

Nothing is loaded by itself: there are no relationships, a query names what it wants.
"""

from singr_db.tables._access import (
    CredentialKind,
    Organization,
    Permission,
    RequestNonce,
    Role,
    RolePermission,
    ServiceCredential,
)
from singr_db.tables._base import Base
from singr_db.tables._jobs import (
    AttemptOutcome,
    IdempotencyRecord,
    IdempotencyState,
    Job,
    JobAttempt,
    JobStatus,
    JobUniqueKey,
)
from singr_db.tables._messages import (
    Channel,
    Message,
    MessageAttempt,
    MessageAttemptStatus,
    MessageQuota,
    MessageStatus,
)

__all__ = [
    "AttemptOutcome",
    "Base",
    "Channel",
    "CredentialKind",
    "IdempotencyRecord",
    "IdempotencyState",
    "Job",
    "JobAttempt",
    "JobStatus",
    "JobUniqueKey",
    "Message",
    "MessageAttempt",
    "MessageAttemptStatus",
    "MessageQuota",
    "MessageStatus",
    "Organization",
    "Permission",
    "RequestNonce",
    "Role",
    "RolePermission",
    "ServiceCredential",
]
