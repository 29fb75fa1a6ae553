"""A column of `jobs` is written once, in `JobRow`; what names the columns elsewhere agrees with it."""

from datetime import UTC, datetime, timedelta, timezone

from jobs_support import ORGANIZATION, Steer
from sqlalchemy.dialects import postgresql

from singr_db.schema._grants import _JOB_COLUMNS
from singr_db.tables import Job
from singr_jobs import enqueue
from singr_jobs.intake._ingest_sql import SubmittedRow
from singr_jobs.intake._row import JobRow, columns_of

NAMES = {"double precision": "float8", "timestamp with time zone": "timestamptz"}


def in_table(name: str) -> str:
    compiled = Job.__table__.columns[name].type.compile(dialect=postgresql.dialect()).lower()
    return NAMES.get(compiled, compiled)


def test_every_field_of_the_row_is_a_column_of_the_table_with_its_type():
    assert {name: in_table(name) for name in columns_of(JobRow)} == columns_of(JobRow)
    assert in_table("created_by") == columns_of(SubmittedRow)["created_by"]


def test_every_column_that_must_be_given_is_a_field_of_the_row():
    needed = {column.name for column in Job.__table__.columns if not column.nullable and column.server_default is None}
    assert needed <= columns_of(JobRow).keys()


def test_a_role_that_may_only_enqueue_may_write_exactly_the_rows_columns():
    assert _JOB_COLUMNS.split(", ") == list(columns_of(JobRow))


def test_a_row_that_travels_as_an_array_is_read_in_the_order_of_its_fields():
    assert tuple(columns_of(SubmittedRow)) == SubmittedRow.__struct_fields__


async def test_a_due_time_is_kept_to_the_microsecond_whatever_its_time_zone(db, read):
    due = datetime(2190, 1, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(minutes=19, seconds=32)))
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, run_at=due)
    assert (await read(job_id)).run_at == due.astimezone(UTC)
