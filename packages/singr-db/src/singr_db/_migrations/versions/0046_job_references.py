"""A job keeps its caller's own name for what it is about, such as the id of an alert, and is found by it."""

from importlib import import_module

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_GUARDED = import_module("singr_db._migrations.versions.0017_guarded_jobs")
_KEYED = import_module("singr_db._migrations.versions.0026_keyed_jobs")
# Roles that may enqueue write the new column, too: `enqueue` names all of its columns.
GRANTS = _KEYED.GRANTS.replace("INSERT (concurrency_key)", "INSERT (reference)")
# What 0017 and 0026 hold those roles to, with the bounds of a reference.
RULES = {**_GUARDED.RULES, "concurrency_key": _KEYED.RULE}
RULE = ("(NEW.reference IS NULL OR length(NEW.reference) BETWEEN 1 AND 200)", "1 to 200 characters")


def upgrade() -> None:
    lock_patiently("jobs")
    op.execute("ALTER TABLE jobs ADD COLUMN reference TEXT")
    # Not of the status, and never changed: an update of what no index has stays on its page.
    op.execute("CREATE INDEX jobs_by_reference ON jobs (organization_id, reference, id) WHERE reference IS NOT NULL")
    op.execute(GRANTS)
    _guard({**RULES, "reference": RULE})


def downgrade() -> None:
    lock_patiently("jobs")
    _guard(RULES)
    op.execute("DROP INDEX jobs_by_reference")
    op.execute("ALTER TABLE jobs DROP COLUMN reference")


def _guard(rules: dict[str, tuple[str, str]]) -> None:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute("DROP TRIGGER guard_job ON jobs")
    op.execute(_GUARDED.guard_function(rules).replace("{schema}", schema))
    op.execute(_GUARDED.guard_trigger(rules))
