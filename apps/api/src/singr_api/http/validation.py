"""Decode strictly, and on the error path say everything that is wrong, not only the first thing.

msgspec stops at the first invalid field. The good path stays as fast as msgspec is; only a refused input is walked
again, type by type, to name each invalid field and what would be right. A refused body comes out of that walk mended,
so that the rest of it can be looked at for what it means (`singr_api/routing/rehearsing.py`).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import inspect

from singr_api.http.annotations import NOTHING, bare_of, describe, is_choice, members_of, stand_in
from singr_api.http.body import join_path
from singr_api.http.codes import FieldCode, RuleError
from singr_api.http.problems import INVALID, MALFORMED_BODY, FieldError, Location, Problem, invalid, refused

T = TypeVar("T")
MOST_ERRORS: Final = 50
"""So many faults are told of a request's form, and then nothing of the rest."""
_MANY: Final = f"More than {MOST_ERRORS} fields are not valid: errors lists the first {MOST_ERRORS}."
_LONGEST_NAME: Final = 64
_TOO_LARGE: Final = "must be a smaller number: one that a 64-bit float holds (IEEE 754)"
_WHOLE: Final = 2.0**53  # from here on a float may be another integer than the one that was written
_LEAP: Final = re.compile(r"[Tt ][0-9]{2}:[0-9]{2}:60", re.ASCII)
_AT: Final = re.compile(r" - at `[^`]*`$")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_OFFSET: Final = re.compile(r"\(byte (\d+)\)")

_CONTAINERS: Final[dict[type, tuple[type, ...]]] = {list: (list, tuple, set, frozenset), dict: (dict,)}
_FIXED: Final = re.compile(r"of length (\d+), got (\d+)")
_BY_WORDS: Final[tuple[tuple[re.Pattern[str], FieldCode], ...]] = (
    (re.compile(r", got `"), "wrong_type"),
    (re.compile(r"`(?:array|object)` of length >=?"), "too_few_items"),
    (re.compile(r"`(?:array|object)` of length"), "too_many_items"),
    (re.compile(r"of length >=?"), "too_short"),
    (re.compile(r"of length"), "too_long"),
    (re.compile(r"matching regex"), "pattern"),
    (re.compile(r"Invalid enum value"), "unknown_value"),
    (re.compile(r"` >=? "), "too_small"),
    (re.compile(r"` <=? |out of range"), "too_large"),
    (re.compile(r"^Invalid |timezone component"), "malformed"),
)

Path = tuple[str | int, ...]


encode = msgspec.json.Encoder().encode


class Misfit(Problem):
    """A body or a query does not have its form.

    Attributes:
        mended: it, decoded, with stand-ins where it is wrong and without what is unknown; meaningless unless
            `is_mended`.
        blurred: the paths where something else stands than what was sent.
        confused: of lists, where whatever is told as repeated may not be.
    """

    def __init__(
        self,
        found: Sequence[FieldError],
        mended: Any = NOTHING,
        blurred: "Iterable[Path]" = (),
        confused: "Iterable[Path]" = (),
    ) -> None:
        most = len(found) >= MOST_ERRORS
        super().__init__(INVALID, _MANY if most else invalid(*found).detail, errors=tuple(found))
        self.mended = mended
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
        raise malformed(error) from None


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
        raise _misfit(type_, values, error, "query") from None


def malformed(error: msgspec.DecodeError) -> Problem:
    """The body is no JSON: says where it ends to be."""
    at = _OFFSET.search(str(error))
    if at is not None:
        detail = f"The body is not JSON (RFC 8259) from byte {at[1]} on."
    elif "truncated" in str(error):
        detail = "The body ends before its JSON is complete, or is empty."
    else:
        detail = "The body is not JSON (RFC 8259)."
    return refused(MALFORMED_BODY, FieldError("", "must be one JSON value", "body", "malformed"), detail)


def explain(type_: Any, value: Any, error: msgspec.ValidationError, *, location: Location) -> tuple[FieldError, ...]:
    """Return all that keeps `value` from being a `type_`; `error` is what msgspec said of it, the last resort."""
    found: list[FieldError] = []
    _Walk(found, location).check(type_, value, ())
    return tuple(found[:MOST_ERRORS]) or _otherwise(value, error, location)


def _misfit(type_: Any, value: Any, error: msgspec.ValidationError, location: Location) -> Misfit:
    found: list[FieldError] = []
    walk = _Walk(found, location)
    rest = walk.check(type_, value, ())
    if not found or len(found) >= MOST_ERRORS or rest is NOTHING:
        return Misfit(found[:MOST_ERRORS] or _otherwise(value, error, location))
    try:
        mended = msgspec.convert(rest, type_)
    except msgspec.ValidationError:
        mended = NOTHING
    return Misfit(found, mended, walk.blurred, walk.confused)


def _otherwise(value: Any, error: msgspec.ValidationError, location: Location) -> tuple[FieldError, ...]:
    endless = (FieldError(join_path(path), _TOO_LARGE, location, "too_large") for path in _endless(value))
    return tuple(islice(endless, MOST_ERRORS)) or (FieldError("", _words(error), location, "invalid"),)


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
            yield from _endless(item, (*path, _shown(name) if isinstance(name, str) else name))


class _Walk:
    """Goes through a value beside the annotation that it should fit, and gives it back mended.

    Attributes:
        blurred: the paths where what is given back is not what was sent.
        confused: lists, of which an item may be taken for another one, for what stands in is a word that others have.
    """

    def __init__(self, found: list[FieldError], location: Location) -> None:
        self.blurred: list[Path] = []
        self.confused: list[Path] = []
        self._found = found
        self._location = location

    def add(self, path: Path, code: FieldCode, message: str) -> None:
        self._found.append(FieldError(join_path(path), message, self._location, code))

    def check(self, annotation: Any, value: Any, path: Path) -> Any:
        """Add what is wrong with `value`, and return it as far as it is right."""
        if self._has_enough or annotation is Any or _fits(annotation, value):
            return value
        members = [member for member in members_of(annotation) if member is not type(None)]
        if value is None and len(members) < len(members_of(annotation)):
            return value
        structs = [bare_of(member) for member in members if _is_struct(bare_of(member))]
        containers = [member for member in members if _holds(bare_of(member), value)]
        if structs and (isinstance(value, dict) or len(structs) == len(members)):
            return self._object(structs, value, path)
        if len(containers) == 1:
            return self._items(annotation, containers[0], value, path)
        return self._leaf(annotation, value, path)

    @property
    def _has_enough(self) -> bool:
        return len(self._found) >= MOST_ERRORS

    def _instead(self, annotation: Any, path: Path) -> Any:
        if len(path) > 1 and is_choice(annotation):  # a word may decide what stands beside it
            path = path[:-1]
            self.confused += [path[:-1]] if isinstance(path[-1], int) else []
        self.blurred.append(path)
        return stand_in(annotation)

    def _object(self, structs: list[Any], value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            self.add(path, "wrong_type", f"must be an object, not {_kind(value)}")
            return self._instead(structs[0], path)
        field = structs[0].__struct_config__.tag_field
        if field is None or (field not in value and len(structs) == 1):  # a tag tells apart what there are several of
            return self._struct(structs[0], value, path)
        by_tag = {struct.__struct_config__.tag: struct for struct in structs}
        tag, known = value.get(field), ", ".join(sorted(map(str, by_tag)))
        if field not in value:
            self.add((*path, field), "required", f"is required: one of {known}")
        elif not isinstance(tag, str) or tag not in by_tag:
            code: FieldCode = "unknown_value" if isinstance(tag, str) else "wrong_type"
            self.add((*path, field), code, f"must be one of {known}")
        else:
            return self._struct(by_tag[tag], value, path)
        return self._instead(structs[0], path)

    def _struct(self, struct: Any, value: dict[str, Any], path: Path) -> Any:
        blurred = len(self.blurred)
        config = struct.__struct_config__
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        known = {*fields, *([config.tag_field] if config.tag_field else [])}
        mended = {name: value[name] for name in value if name in known or not config.forbid_unknown_fields}
        for name, field in fields.items():
            if name in value:
                mended[name] = self.check(field.type, value[name], (*path, name))
            elif field.required:
                self.add((*path, name), "required", f"is required: {describe(field.type)}")
                mended[name] = self._instead(field.type, (*path, name))
            if mended.get(name) is NOTHING and not field.required:
                del mended[name]
        if config.forbid_unknown_fields:
            for name in [name for name in value if name not in known][:MOST_ERRORS]:
                message = f"is unknown here; known are {', '.join(sorted(known))}" if known else self._nothing()
                self.add((*path, _shown(name)), "unknown_field", message)
        if len(self.blurred) > blurred:  # a rule of the whole may be broken by what stands in
            return NOTHING if any(part is NOTHING for part in mended.values()) else mended
        return self._leaf(struct, mended, path)

    def _nothing(self) -> str:
        where = "this address takes no parameters in its query" if self._location == "query" else "nothing belongs here"
        return f"is unknown here: {where}"

    def _items(self, annotation: Any, container: Any, value: list[Any] | dict[str, Any], path: Path) -> Any:
        """A list or a map: what each item, or each value, should be; and of how many the whole is."""
        wrong, mended = _miscounted(container, value), []
        for place, item, kind in islice(_parts(bare_of(container), value), _most(container)):
            if self._has_enough:  # nothing is made of the rest
                return NOTHING
            mended.append(self.check(kind, item, (*path, place)))
        if wrong is not None:
            self.add(path, _code(wrong), f"must be {describe(annotation)}")
            if not isinstance(value, list) or _code(wrong) != "too_many_items":
                return self._instead(annotation, path)
        if any(part is NOTHING for part in mended):
            return NOTHING
        return mended if isinstance(value, list) else dict(zip(value, mended, strict=True))

    def _leaf(self, annotation: Any, value: Any, path: Path) -> Any:
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError):  # by a rule that the type itself states in words
                self.add(path, cause.code if isinstance(cause, RuleError) else "invalid", _words(error))
            else:
                self.add(path, _code(error), f"must be {describe(annotation)}{_hint(value, error)}")
            return self._instead(annotation, path)
        return value


def _hint(value: Any, error: msgspec.ValidationError) -> str:
    """What people wonder about who read that a value must be what they think it is."""
    if isinstance(value, float) and value.is_integer() and "`int" in str(error):
        return f", written without a decimal point or exponent{f': {value:.0f}' if abs(value) < _WHOLE else ''}"
    if isinstance(value, str) and "RFC3339" in str(error):
        if _LEAP.search(value):
            return "; leap seconds (:60) are not taken"
        if value.startswith("0000-"):
            return "; the years are 1 to 9999"
    return ""


def _is_integer(annotation: Any) -> bool:
    """Tell whether it is a number that is whole, which may be left out."""
    node = inspect.type_info(annotation)
    kinds = node.types if isinstance(node, inspect.UnionType) else (node,)
    return any(isinstance(kind.type if isinstance(kind, inspect.Metadata) else kind, inspect.IntType) for kind in kinds)


def _fits(annotation: Any, value: Any) -> bool:
    """Whether nothing is wrong with it. Only what is refused is walked into, so good parts cost what msgspec takes."""
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _holds(bare: Any, value: Any) -> bool:
    """Tell whether a type says what the parts of this list or map should be."""
    return get_origin(bare) in _CONTAINERS.get(type(value), ())


def _parts(container: Any, value: list[Any] | dict[str, Any]) -> Iterator[tuple[str | int, Any, Any]]:
    """Give each part of a list or map with its place, and what it should be."""
    kinds = get_args(container)
    if isinstance(value, dict):
        yield from ((_shown(name), item, kinds[1]) for name, item in value.items())
    elif get_origin(container) is not tuple or kinds[1:] == (...,):
        yield from ((index, item, kinds[0]) for index, item in enumerate(value))
    else:
        yield from ((index, item, kind) for index, (item, kind) in enumerate(zip(value, kinds, strict=False)))


def _miscounted(container: Any, value: list[Any] | dict[str, Any]) -> msgspec.ValidationError | None:
    """Return what is wrong with a list or map as a whole, whatever its parts are."""
    bare, bounds = bare_of(container), getattr(container, "__metadata__", ())
    kinds = get_args(bare)
    if isinstance(value, dict):
        loose: Any = dict[kinds[0], Any]  # type: ignore[valid-type] # made at run time
    elif get_origin(bare) is tuple and kinds[1:] != (...,):
        loose = tuple[(Any,) * len(kinds)]  # type: ignore[misc] # made at run time
    else:
        loose = list[Any]
    try:
        msgspec.convert(value, Annotated[loose, *bounds] if bounds else loose)
    except msgspec.ValidationError as error:
        return error
    return None


def _most(container: Any) -> int | None:
    node = inspect.type_info(container)
    bare = node.type if isinstance(node, inspect.Metadata) else node
    return len(bare.item_types) if isinstance(bare, inspect.TupleType) else getattr(bare, "max_length", None)


def _code(error: msgspec.ValidationError) -> FieldCode:
    """Read off msgspec's words which bound was broken: it says so nowhere else."""
    text = str(error)
    wanted = _FIXED.search(text)
    if wanted:
        return "too_few_items" if int(wanted[2]) < int(wanted[1]) else "too_many_items"
    for pattern, code in _BY_WORDS:
        if pattern.search(text):
            return code
    return "invalid"


def _words(error: msgspec.ValidationError) -> str:
    text = _AT.sub("", str(error))
    return text[:1].lower() + text[1:]


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")
