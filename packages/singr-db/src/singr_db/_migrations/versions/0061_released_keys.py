"""Whose a released key was, so that somebody who was taken off the list can still be erased."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

COLUMNS = {"external_id": "TEXT", "recipient_id": "UUID", "prints": "BYTEA[]"}


def upgrade() -> None:
    lock_patiently("data_keys")
    op.execute("ALTER TABLE data_keys " + ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in COLUMNS.items()))
    op.execute(
        "CREATE INDEX data_keys_by_name ON data_keys (organization_id, external_id) WHERE external_id IS NOT NULL"
    )


def downgrade() -> None:
    lock_patiently("data_keys")
    op.execute("DROP INDEX data_keys_by_name")
    op.execute("ALTER TABLE data_keys " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
