"""How often a worker says that it is there: those of the release before say it every ten seconds."""

from importlib import import_module

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_BEFORE = import_module("singr_db._migrations.versions.0034_queue_of_job")
_FUNCTION = _BEFORE.FUNCTION.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN says_every DOUBLE PRECISION DEFAULT 10 NOT NULL")
    _write(_FUNCTION.replace("silent_after * interval", "LEAST(silent_after, 3.5 * says_every) * interval"))


def downgrade() -> None:
    _write(_FUNCTION)
    op.execute("ALTER TABLE workers DROP COLUMN says_every")


def _write(function: str) -> None:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(function.replace("{schema}", schema))
