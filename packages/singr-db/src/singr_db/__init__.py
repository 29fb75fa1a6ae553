"""Tables, migrations, the tenant fence, sealing at rest and the object store."""

from singr_db._database import Database, PlatformSession, TenantSession
from singr_db._errors import DatabaseUrlError, MigrationError, SingrDbError, TenantRoleError
from singr_db._ids import new_id
from singr_db._migrate import downgrade, upgrade
from singr_db._partitions import Partition, PartitionReport, ensure_partitions

__all__ = [
    "Database",
    "DatabaseUrlError",
    "MigrationError",
    "Partition",
    "PartitionReport",
    "PlatformSession",
    "SingrDbError",
    "TenantRoleError",
    "TenantSession",
    "downgrade",
    "ensure_partitions",
    "new_id",
    "upgrade",
]
