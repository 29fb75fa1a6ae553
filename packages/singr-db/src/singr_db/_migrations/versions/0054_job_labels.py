"""A job keeps what its caller sorts it by: labels, ten at most, and null where it has none."""

from importlib import import_module

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_GUARDED = import_module("singr_db._migrations.versions.0017_guarded_jobs")
_KEYED = import_module("singr_db._migrations.versions.0026_keyed_jobs")
_REFERRED = import_module("singr_db._migrations.versions.0046_job_references")
# Roles that may enqueue write the new column, too: `enqueue` names all of its columns.
GRANTS = _KEYED.GRANTS.replace("INSERT (concurrency_key)", "INSERT (labels)")
# What 0017, 0026 and 0046 hold those roles to, with the bounds of labels. A condition of a trigger asks no subquery: so
# they are joined by newlines, which none of them has, and as many lines are to come of it as there are labels.
RULES = {**_REFERRED.RULES, "reference": _REFERRED.RULE}
_LINES = r"array_to_string(NEW.labels, E'\n')"
_HOLD = (
    "cardinality(NEW.labels) BETWEEN 1 AND 10",
    "array_ndims(NEW.labels) = 1",
    "pg_column_size(NEW.labels) <= 4096",  # ten of 64 letters of four bytes: what is larger is not looked through
    "array_position(NEW.labels, NULL) IS NULL",
    rf"length({_LINES}) - length(replace({_LINES}, E'\n', '')) = cardinality(NEW.labels) - 1",
    rf"{_LINES} ~ '^[^\n]{{1,64}}(\n[^\n]{{1,64}})*$'",
    rf"{_LINES} !~ '[\u0001-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]'",
    rf"{_LINES} !~ '(^|\n)([^\n]+)\n([^\n]+\n)*\2(\n|$)'",  # none comes twice
)
RULE = (f"(NEW.labels IS NULL OR {' AND '.join(_HOLD)})", "1 to 10 different texts of 1 to 64 printable characters")


def upgrade() -> None:
    lock_patiently("jobs")
    op.execute("ALTER TABLE jobs ADD COLUMN labels TEXT[]")
    op.execute(GRANTS)
    _guard({**RULES, "labels": RULE})


def downgrade() -> None:
    lock_patiently("jobs")
    _guard(RULES)
    op.execute("ALTER TABLE jobs DROP COLUMN labels")


def _guard(rules: dict[str, tuple[str, str]]) -> None:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute("DROP TRIGGER guard_job ON jobs")
    op.execute(_GUARDED.guard_function(rules).replace("{schema}", schema))
    op.execute(_GUARDED.guard_trigger(rules))
