"""Decode strictly, and on the error path say everything that is wrong, not only the first thing.

msgspec stops at the first invalid field. The good path stays as fast as msgspec is; only a refused input is walked
again, type by type, to name each invalid field and what would be right. A refused body comes out of that walk mended,
so that the rest of it can be looked at for what it means (`singr_api/routing/rehearsing.py`).
"""

import codecs
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from singr_api.http.body import join_path
from singr_api.http.form.annotations import NOTHING
from singr_api.http.form.mending import MOST_ERRORS, Path, Walk, shown, words
from singr_api.http.problems import INVALID, MALFORMED_BODY, FieldError, Location, Problem, invalid, refused

T = TypeVar("T")
MOST_LOOKS: Final = 8
"""Of so many stand-ins, one after the other, the rest of a request is looked at: of a fixed set, each is a word."""
_MANY: Final = f"More than {MOST_ERRORS} fields are not valid: errors lists the first {MOST_ERRORS}."
_TOO_LARGE: Final = "must be a smaller number: one that a 64-bit float holds (IEEE 754)"
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_SPACED: Final = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt].* [0-9]{2}:[0-9]{2}$", re.ASCII)
_OFFSET: Final = re.compile(r"\(byte (\d+)\)")

encode = msgspec.json.Encoder().encode


class Misfit(Problem):
    """A body or a query does not have its form.

    Attributes:
        mended: it, decoded, with stand-ins where it is wrong and without what is unknown; meaningless unless
            `is_mended`.
        others: the same with other stand-ins (`stand_in`), to be gone through once: what is wrong with `mended`, and
            not with all of these, is wrong with what stands in.
        blurred: the paths where something else stands than what was sent.
        confused: of lists, where whatever is told as repeated may not be.
    """

    def __init__(
        self,
        found: Sequence[FieldError],
        mended: Iterable[Any] = (),
        blurred: Iterable[Path] = (),
        confused: Iterable[Path] = (),
    ) -> None:
        most = len(found) >= MOST_ERRORS
        super().__init__(INVALID, _MANY if most else invalid(*found).detail, errors=tuple(found))
        self.others = iter(mended)
        self.mended = next(self.others, NOTHING)
        self.blurred = frozenset(map(join_path, blurred))
        self.confused = frozenset(map(join_path, confused))

    @property
    def is_mended(self) -> bool:
        """Whether the rest of it can be looked at."""
        return self.mended is not NOTHING

    @property
    def location(self) -> Location:
        """Of which part of the request it is."""
        return self.errors[0].location


def invalid_together(errors: Sequence[FieldError]) -> Problem:
    """What is wrong with several parts of a request: no more of it than is told of one, and that there is more."""
    if len(errors) <= MOST_ERRORS:
        return invalid(*errors)
    return Problem(INVALID, _MANY, errors=tuple(errors[:MOST_ERRORS]))


def decode_body(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Decode a body that passed `check_body`.

    Raises:
        Problem: 400 where it is no JSON.
        Misfit: 422 with every invalid field where it does not fit.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misfit(decoder.type, _plain(body), error, "body") from None
    except msgspec.DecodeError as error:
        raise malformed(error, body) from None


def convert_query(query: Mapping[str, Any], type_: type[T]) -> T:
    """Read query parameters into a struct, as strictly as a body, but for numbers, which come as text.

    Raises:
        Misfit: 422 with every invalid parameter.
    """
    numbers = {field.encode_name for field in msgspec.structs.fields(type_) if _is_integer(field.type)}  # type: ignore[arg-type] # a struct
    values = {
        name: int(value) if name in numbers and _INTEGER.fullmatch(value) else value for name, value in query.items()
    }
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        misfit = _misfit(type_, values, error, "query")
        misfit.errors = tuple(_of_plus(one, values) for one in misfit.errors)
        raise misfit from None


def _of_plus(error: FieldError, values: Mapping[str, Any]) -> FieldError:
    """Where a time's `+` came as it is, a form's encoding reads it as a space: say how it is written."""
    value = values.get(error.field or "")
    if not isinstance(value, str) or not _SPACED.search(value):
        return error
    return msgspec.structs.replace(error, message=f"{error.message}; write its + as %2B")


def malformed(error: msgspec.DecodeError, body: bytes = b"") -> Problem:
    """The body is no JSON: says where it ends to be."""
    at = _OFFSET.search(str(error))
    if body.startswith(codecs.BOM_UTF8):
        detail = (
            "The body begins with a byte order mark (EF BB BF), which JSON has none of (RFC 8259, 8.1): leave it out."
        )
    elif at is not None:
        detail = f"The body is not JSON (RFC 8259) from byte {at[1]} on."
    elif "truncated" in str(error):
        detail = "The body ends before its JSON is complete, or is empty."
    else:
        detail = "The body is not JSON (RFC 8259)."
    return refused(MALFORMED_BODY, FieldError("", "must be one JSON value", "body", "malformed"), detail)


def explain(type_: Any, value: Any, error: msgspec.ValidationError, *, location: Location) -> tuple[FieldError, ...]:
    """Return all that keeps `value` from being a `type_`; `error` is what msgspec said of it, the last resort."""
    found: list[FieldError] = []
    Walk(found, location).check(type_, value, ())
    return tuple(found[:MOST_ERRORS]) or _otherwise(value, error, location)


def _is_integer(annotation: Any) -> bool:
    """Tell whether it is a number that is whole, which may be left out."""
    node = inspect.type_info(annotation)
    kinds = node.types if isinstance(node, inspect.UnionType) else (node,)
    return any(isinstance(kind.type if isinstance(kind, inspect.Metadata) else kind, inspect.IntType) for kind in kinds)


def _misfit(type_: Any, value: Any, error: msgspec.ValidationError, location: Location) -> Misfit:
    found: list[FieldError] = []
    walk = Walk(found, location)
    rest = walk.check(type_, value, ())
    if not found or len(found) >= MOST_ERRORS or rest is NOTHING:
        return Misfit(found[:MOST_ERRORS] or _otherwise(value, error, location))
    return Misfit(found, _mended(type_, value, rest), walk.blurred, walk.confused)


def _mended(type_: Any, value: Any, first: Any) -> Iterator[Any]:
    """Decode what a walk gave back, and then what others do with other stand-ins, until these begin anew."""
    rest = first
    for turn in range(1, MOST_LOOKS + 1):
        with suppress(msgspec.ValidationError):  # by a rule between fields, which this one breaks
            yield msgspec.convert(rest, type_)
        rest = Walk([], "body", turn).check(type_, value, ())
        if rest == first:
            return


def _otherwise(value: Any, error: msgspec.ValidationError, location: Location) -> tuple[FieldError, ...]:
    endless = (FieldError(join_path(path), _TOO_LARGE, location, "too_large") for path in _endless(value))
    return tuple(islice(endless, MOST_ERRORS)) or (FieldError("", words(error), location, "invalid"),)


# A number that no float holds, such as 1e400, is infinite here, and not the end of reading: its field is to be named.
_lenient: Final = msgspec.json.Decoder(float_hook=float)


def _plain(body: bytes) -> Any:
    try:
        return _lenient.decode(body)
    except msgspec.DecodeError as error:
        raise malformed(error) from None


def _endless(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the places of numbers that no float holds; a body nests no deeper than `check_body` lets it."""
    if isinstance(value, float):
        if math.isinf(value):
            yield path
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, float | dict | list):
            yield from _endless(item, (*path, shown(name) if isinstance(name, str) else name))
