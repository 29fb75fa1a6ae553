"""What the caller of a job is answered: the first time, and each time again, byte for byte.

A job's first answer is not kept. It is built from columns of the job's row that no statement changes, and from its
record: the time it was due first (a retry changes the row's), and its payload where the column, which sorts names and
spells numbers its own way, would not give back what was sent (decision 57).
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import inspect

from singr_jobs.declare._errors import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    JobGoneError,
    NonceReplayedError,
)
from singr_jobs.declare._types import JobStatus
from singr_jobs.declare._views import PRIORITY_NAMES, JobView, job_view
from singr_jobs.intake._ingest_sql import SubmittedRow

ACCEPTED: Final = 202
FOUND: Final = 200

_encode = msgspec.json.Encoder().encode

# Written as a string, an integer, true, false or null: jsonb gives them back as they were.
_EXACT: Final = (
    inspect.StrType,
    inspect.IntType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.UUIDType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.EnumType,
    inspect.LiteralType,
)


class _Named(msgspec.Struct):
    id: UUID


_id = msgspec.json.Decoder(_Named)


class Answer(msgspec.Struct, frozen=True):
    """What the caller gets: the first answer to this idempotency key, byte for byte, and the job it is about."""

    status: int
    body: bytes
    job_id: UUID
    replayed: bool


def first_answer(row: SubmittedRow, created_at: datetime) -> Answer:
    """The answer to a job that was just stored: what is no field of the row has its default."""
    view = JobView(
        id=row.id,
        organization_id=row.organization_id,
        type=row.type,
        queue=row.queue,  # type: ignore[arg-type]  # its name is what is written
        status=JobStatus.PENDING,
        priority=PRIORITY_NAMES[row.priority],
        progress=0,
        attempt=0,
        max_attempts=row.max_attempts,
        run_at=max(row.run_at or created_at, created_at + timedelta(microseconds=row.delay or 0)),
        created_at=created_at,
        unique_key=row.unique_key,
        concurrency_key=row.concurrency_key,
        reference=row.reference,
        labels=row.labels or (),
        correlation_id=row.correlation_id,
        payload=row.payload,
    )
    return Answer(ACCEPTED, _encode(view), row.id, replayed=False)


def answer_again(print_: str, record: Any) -> Answer | Exception:
    """The first answer once more, from a row of `KNOWN`; or why there is none for a request with that print."""
    if record.replayed:
        return NonceReplayedError("this signed request was sent before")
    if record.print.hex != print_:
        return IdempotencyMismatchError("this idempotency key was used with another method, path or body")
    if record.job_id is None:
        if record.status_code is None:
            return IdempotencyInProgressError("the first request with this key is still running")
        body = bytes(record.response_body)
        return Answer(record.status_code, body, _id.decode(body).id, replayed=True)
    if record.id is None:
        return JobGoneError(record.job_id, record.created_at)
    view = job_view(record)
    if record.kept is not None:
        view = msgspec.structs.replace(view, payload=msgspec.Raw(record.kept.encode()))
    return Answer(ACCEPTED, _encode(view), record.job_id, replayed=True)


@cache
def comes_back(struct: type[msgspec.Struct]) -> bool:
    """Whether JSON of this type is the same once `jsonb` had it, whatever release reads it then."""
    return _comes_back(inspect.type_info(struct))


def _comes_back(info: inspect.Type) -> bool:
    match info:
        case inspect.Metadata():
            return _comes_back(info.type)
        case inspect.UnionType():
            return all(_comes_back(one) for one in info.types)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return _comes_back(info.item_type)
        case inspect.StructType():
            tag = [info.tag_field] if info.tag_field is not None else []
            names = [*tag, *(field.encode_name for field in info.fields)]
            sorted_ = info.array_like or names == sorted(names, key=lambda name: (len(name.encode()), name.encode()))
            return sorted_ and all(_comes_back(field.type) for field in info.fields)
        case _:
            return isinstance(info, _EXACT)
