"""Tables, migrations, the tenant fence, sealing at rest and the object store."""

from singr_db._errors import (
    CommitsHangError,
    DatabaseUrlError,
    GrantError,
    KeyDestroyedError,
    MigrationError,
    MissingExtraError,
    ObjectNotFoundError,
    ObjectStoreAwayError,
    ObjectStoreError,
    PoolerError,
    SealError,
    SingrDbError,
    TenantRoleError,
)
from singr_db._ids import PLATFORM_ORGANIZATION_ID, first_id, made_at, new_id
from singr_db._partitions import Partition, PartitionReport, ensure_partitions
from singr_db._patience import answered_within
from singr_db._statements import RunsAs, sql, sql_text
from singr_db._storable import storable
from singr_db.objects._folder_objects import FolderObjectStore, StoredObject
from singr_db.objects._noting import note_object
from singr_db.objects._objects import ObjectStore, open_object_store
from singr_db.objects._shared import SharedObjectStore
from singr_db.schema._behind import behind_words, schema_behind
from singr_db.schema._check import Finding, check
from singr_db.schema._grants import grant, revoke
from singr_db.schema._migrate import downgrade, drop_everything, head_revision, is_newer, upgrade
from singr_db.schema._ours import is_ours
from singr_db.schema._seed import DEMO_ORGANIZATION_ID, seed
from singr_db.schema._still_referred import still_referred
from singr_db.sealing._person_key import PersonKey, key_of
from singr_db.sealing._rewrap import Resealed
from singr_db.sealing._sealer import Sealer
from singr_db.sessions._commits import LEAVE_A_WORD
from singr_db.sessions._connection import connection_parameters
from singr_db.sessions._database import Database, PlatformSession, TenantSession
from singr_db.sessions._deadlocks import past_deadlock
from singr_db.sessions._error_words import DATABASE_ERRORS, database_error_words, leave_pools_unheard
from singr_db.sessions._follow_ups import after_commit
from singr_db.sessions._outages import blames_values, is_outage, lock_held, over_time, plain_words, sqlstate_of
from singr_db.sessions._pool import PsycopgPool
from singr_db.sessions._poolers import refuse_transaction_pooling
from singr_db.sessions._schema_lacks import schema_lacks

__all__ = [
    "DATABASE_ERRORS",
    "DEMO_ORGANIZATION_ID",
    "LEAVE_A_WORD",
    "PLATFORM_ORGANIZATION_ID",
    "CommitsHangError",
    "Database",
    "DatabaseUrlError",
    "Finding",
    "FolderObjectStore",
    "GrantError",
    "KeyDestroyedError",
    "MigrationError",
    "MissingExtraError",
    "ObjectNotFoundError",
    "ObjectStore",
    "ObjectStoreAwayError",
    "ObjectStoreError",
    "Partition",
    "PartitionReport",
    "PersonKey",
    "PlatformSession",
    "PoolerError",
    "PsycopgPool",
    "Resealed",
    "RunsAs",
    "SealError",
    "Sealer",
    "SharedObjectStore",
    "SingrDbError",
    "StoredObject",
    "TenantRoleError",
    "TenantSession",
    "after_commit",
    "answered_within",
    "behind_words",
    "blames_values",
    "check",
    "connection_parameters",
    "database_error_words",
    "downgrade",
    "drop_everything",
    "ensure_partitions",
    "first_id",
    "grant",
    "head_revision",
    "is_newer",
    "is_ours",
    "is_outage",
    "key_of",
    "leave_pools_unheard",
    "lock_held",
    "made_at",
    "new_id",
    "note_object",
    "open_object_store",
    "over_time",
    "past_deadlock",
    "plain_words",
    "refuse_transaction_pooling",
    "revoke",
    "schema_behind",
    "schema_lacks",
    "seed",
    "sql",
    "sql_text",
    "sqlstate_of",
    "still_referred",
    "storable",
    "upgrade",
]
