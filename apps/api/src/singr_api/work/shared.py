"""What callers ask for when they want a job, now or at its times."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeVar, Union, cast

import msgspec
from msgspec import Meta

from singr_jobs import JobType, Priority

S = TypeVar("S", bound=msgspec.Struct)

PriorityName = Literal["high", "normal", "low"]
Attempts = Annotated[int, Meta(ge=1, le=100)]
Timeout = Annotated[float, Meta(ge=1, le=86_400, description="Seconds.")]

PRIORITIES: Final = {"high": Priority.HIGH, "normal": Priority.NORMAL, "low": Priority.LOW}


def requests_of(types: Iterable[JobType], base: type[S], verb: str) -> dict[type[S], JobType]:
    """Return, for each job type that callers may ask for, the struct that does: `base` with its `payload`."""
    return {_struct(job_type, base, verb): job_type for job_type in types if job_type.request is not None}


def union_of(structs: Iterable[type[S]]) -> Any:
    """Return the union of these structs, told apart by `type`."""
    return Union[tuple(structs)]  # noqa: UP007 — made at run time


def _struct(job_type: JobType, base: type[S], verb: str) -> type[S]:
    struct = msgspec.defstruct(
        f"{verb}{_camel(job_type.name)}",
        [("payload", job_type.request)],
        bases=(base,),
        tag=job_type.name,
        frozen=True,
        kw_only=True,
        namespace={"__doc__": _first_line(job_type)},
    )
    return cast("type[S]", struct)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", ".").replace("-", ".").split(".")) + "Job"


def _first_line(job_type: JobType) -> str:
    return (job_type.struct.__doc__ or job_type.name).strip().splitlines()[0]
