"""A schedule may pause by itself after so many jobs that failed."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE schedules ADD COLUMN pause_after SMALLINT")
    op.execute("ALTER TABLE schedules ADD CONSTRAINT ck_schedules_pause_after CHECK (pause_after BETWEEN 1 AND 20)")


def downgrade() -> None:
    op.execute("ALTER TABLE schedules DROP COLUMN pause_after")
