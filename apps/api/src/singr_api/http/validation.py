"""Decode strictly, and on the error path say everything that is wrong, not only the first thing.

msgspec stops at the first invalid field. The good path stays as fast as msgspec is; only a refused input is walked
again, type by type, to name each invalid field and what would be right.
"""

import math
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from singr_api.http.body import join_path
from singr_api.http.codes import FieldCode, RuleError
from singr_api.http.problems import MALFORMED_BODY, FieldError, Location, Problem, invalid, refused

T = TypeVar("T")
_MOST_ERRORS: Final = 50
_LONGEST_NAME: Final = 64
_TOO_LARGE: Final = "must be a smaller number: one that a 64-bit float holds (IEEE 754)"
_WHOLE: Final = 2.0**53  # from here on a float may be another integer than the one that was written
_LEAP: Final = re.compile(r"[Tt ][0-9]{2}:[0-9]{2}:60", re.ASCII)
_FITS: Final = " that fits "
_AT: Final = re.compile(r" - at `[^`]*`$")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_OFFSET: Final = re.compile(r"\(byte (\d+)\)")
_FORMS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.UUIDType: "a UUID, such as 01920000-0000-7000-8000-000000000001",
    inspect.DateTimeType: "a time with its zone (RFC 3339), such as 2026-11-22T12:00:00Z",
    inspect.DateType: "a date, such as 2026-11-22",
    inspect.DictType: "an object",
    inspect.StructType: "an object",
}

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


def decode_body(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Decode a body that passed `check_body`.

    Raises:
        Problem: 400 where it is no JSON; 422 with every invalid field where it does not fit.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(*explain(decoder.type, _plain(body), error, location="body")) from None
    except msgspec.DecodeError as error:
        raise malformed(error) from None


def convert_query(query: Mapping[str, Any], type_: type[T]) -> T:
    """Read query parameters into a struct, as strictly as a body, but for numbers, which come as text.

    Raises:
        Problem: 422 with every invalid parameter.
    """
    numbers = {field.encode_name for field in msgspec.structs.fields(type_) if _is_integer(field.type)}  # type: ignore[arg-type] # a struct
    values = {
        name: int(value) if name in numbers and _INTEGER.fullmatch(value) else value for name, value in query.items()
    }
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        raise invalid(*explain(type_, values, error, location="query")) from None


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
    if not found:
        found += [FieldError(join_path(path), _TOO_LARGE, location, "too_large") for path in _endless(value)]
    if not found:
        found.append(FieldError("", _words(error), location, "invalid"))
    return tuple(found[:_MOST_ERRORS])


# A number that no float holds, such as 1e400, is infinite here, and not the end of reading: its field is to be named.
_lenient: Final = msgspec.json.Decoder(float_hook=float)


def _plain(body: bytes) -> Any:
    try:
        return _lenient.decode(body)
    except msgspec.DecodeError as error:
        raise malformed(error) from None


def _endless(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the places of numbers that no float holds; a body nests no deeper than `check_body` lets it."""
    if isinstance(value, float) and math.isinf(value):
        yield path
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _endless(item, (*path, _shown(name) if isinstance(name, str) else name))


class _Walk:
    """Goes through a value beside the annotation that it should fit."""

    def __init__(self, found: list[FieldError], location: Location) -> None:
        self._found = found
        self._location = location

    def add(self, path: Path, code: FieldCode, message: str) -> None:
        self._found.append(FieldError(join_path(path), message, self._location, code))

    def check(self, annotation: Any, value: Any, path: Path) -> None:
        """Add what is wrong with `value`."""
        if len(self._found) >= _MOST_ERRORS:
            return
        members = [member for member in _members(annotation) if member is not type(None)]
        if value is None and len(members) < len(_members(annotation)):
            return
        structs = [_bare(member) for member in members if _is_struct(_bare(member))]
        containers = [_bare(member) for member in members if _holds(_bare(member), value)]
        if structs and (isinstance(value, dict) or len(structs) == len(members)):
            self._object(structs, value, path)
        elif len(containers) == 1:
            self._items(annotation, containers[0], value, path)
        else:
            self._leaf(annotation, value, path)

    def _object(self, structs: list[Any], value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            self.add(path, "wrong_type", f"must be an object, not {_kind(value)}")
            return
        field = structs[0].__struct_config__.tag_field
        if field is None or (field not in value and len(structs) == 1):  # a tag tells apart what there are several of
            self._struct(structs[0], value, path)
            return
        by_tag = {struct.__struct_config__.tag: struct for struct in structs}
        tag, known = value.get(field), ", ".join(sorted(map(str, by_tag)))
        if field not in value:
            self.add((*path, field), "required", f"is required: one of {known}")
        elif not isinstance(tag, str) or tag not in by_tag:
            code: FieldCode = "unknown_value" if isinstance(tag, str) else "wrong_type"
            self.add((*path, field), code, f"must be one of {known}")
        else:
            self._struct(by_tag[tag], value, path)

    def _struct(self, struct: Any, value: dict[str, Any], path: Path) -> None:
        before = len(self._found)
        config = struct.__struct_config__
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        for name, field in fields.items():
            if name in value:
                self.check(field.type, value[name], (*path, name))
            elif field.required:
                self.add((*path, name), "required", f"is required: {describe(field.type)}")
        if config.forbid_unknown_fields:
            known = {*fields, *([config.tag_field] if config.tag_field else [])}
            for name in [name for name in value if name not in known][:_MOST_ERRORS]:
                message = f"is unknown here; known are {', '.join(sorted(known))}" if known else self._nothing()
                self.add((*path, _shown(name)), "unknown_field", message)
        if len(self._found) == before:
            self._leaf(struct, value, path)

    def _nothing(self) -> str:
        where = "this address takes no parameters in its query" if self._location == "query" else "nothing belongs here"
        return f"is unknown here: {where}"

    def _items(self, annotation: Any, container: Any, value: list[Any] | dict[str, Any], path: Path) -> None:
        """A list or a map: what each item, or each value, should be; and then the whole, of how many it is."""
        before = len(self._found)
        for place, item, kind in _parts(container, value):
            self.check(kind, item, (*path, place))
        if len(self._found) == before:
            self._leaf(annotation, value, path)

    def _leaf(self, annotation: Any, value: Any, path: Path) -> None:
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError):  # by a rule that the type itself states in words
                self.add(path, cause.code if isinstance(cause, RuleError) else "invalid", _words(error))
            else:
                self.add(path, _code(error), f"must be {describe(annotation)}{_hint(value, error)}")


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


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    bare = _bare(annotation)
    return get_args(bare) if get_origin(bare) in {Union, UnionType} else (annotation,)


def _is_integer(annotation: Any) -> bool:
    """Tell whether it is a number that is whole, which may be left out."""
    node = inspect.type_info(annotation)
    kinds = node.types if isinstance(node, inspect.UnionType) else (node,)
    return any(isinstance(kind.type if isinstance(kind, inspect.Metadata) else kind, inspect.IntType) for kind in kinds)


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _holds(bare: Any, value: Any) -> bool:
    """Tell whether a type says what the parts of this list or map should be."""
    return get_origin(bare) in _CONTAINERS.get(type(value), ())


def _parts(container: Any, value: list[Any] | dict[str, Any]) -> list[tuple[str | int, Any, Any]]:
    """Return each part of a list or map with its place, and what it should be."""
    kinds = get_args(container)
    if isinstance(value, dict):
        return [(_shown(name), item, kinds[1]) for name, item in value.items()]
    if get_origin(container) is not tuple or kinds[1:] == (...,):
        return [(index, item, kinds[0]) for index, item in enumerate(value)]
    return [(index, item, kind) for index, (item, kind) in enumerate(zip(value, kinds, strict=False))]


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


def describe(annotation: Any) -> str:
    """Say in words what fits an annotation: `a string of 1 to 100 characters`."""
    return _describe(inspect.type_info(annotation))


def _describe(node: inspect.Type) -> str:  # noqa: PLR0911 — one line for each kind of type reads best
    if isinstance(node, inspect.Metadata):
        return _annotated(node)
    if isinstance(node, inspect.UnionType):
        return " or ".join(dict.fromkeys(_describe(member) for member in node.types))
    if isinstance(node, inspect.LiteralType):
        return "one of " + ", ".join(map(str, node.values))
    if isinstance(node, inspect.EnumType):
        return "one of " + ", ".join(str(member.value) for member in node.cls)
    if isinstance(node, inspect.StrType):
        fits = f"{_FITS}{node.pattern}" if node.pattern else ""
        return "a string" + _span(node.min_length, node.max_length, "characters") + fits
    if isinstance(node, inspect.IntType | inspect.FloatType):
        what = "an integer" if isinstance(node, inspect.IntType) else "a number"
        above = f" above {node.gt:g}" if node.gt is not None else ""
        return what + above + _span(node.ge, node.le, "")
    if isinstance(node, inspect.ListType | inspect.VarTupleType):
        length = _span(node.min_length, node.max_length, "items")
        return f"an array{length}, each {_describe(node.item_type)}"
    return _FORMS.get(type(node), "of another form")


def _annotated(node: inspect.Metadata) -> str:
    """The form, and what its author says of it; in place of a pattern, which few like to read."""
    said = node.extra_json_schema or {}
    form = _describe(node.type)
    if said:
        form = form.partition(_FITS)[0]
    if "description" in said:
        text = str(said["description"]).rstrip(".")
        form += f" ({text if text[:2].isupper() else text[:1].lower() + text[1:]})"
    return form + (f", as {said['examples'][0]}" if "examples" in said and " as " not in form else "")


def _span(least: float | None, most: float | None, unit: str) -> str:
    words = f" {unit}" if unit else ""
    if least is not None and most is not None:
        return f"{' of' if unit else ' from'} {_number(least)} to {_number(most)}{words}"
    if least is not None:
        return f" of at least {_number(least)}{words}"
    return f" of at most {_number(most)}{words}" if most is not None else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.10g}"
