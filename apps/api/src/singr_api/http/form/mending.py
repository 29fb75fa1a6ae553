"""Walk through a value beside the annotation that it should fit: name all that is wrong with it, and mend it."""

import ast
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect

from singr_api.http.body import join_path
from singr_api.http.codes import FieldCode, RuleError
from singr_api.http.form.annotations import NOTHING, bare_of, describe, is_choice, members_of, stand_in
from singr_api.http.problems import FieldError, Location
from singr_comms import InvalidMessageError

MOST_ERRORS: Final = 50
"""So many faults are told of a request's form, and then nothing of the rest."""
_LONGEST_NAME: Final = 64
_WHOLE: Final = 2.0**53  # from here on a float may be another integer than the one that was written
_LEAP: Final = re.compile(r"[Tt ][0-9]{2}:[0-9]{2}:60", re.ASCII)
_AT: Final = re.compile(r" - at `[^`]*`$")
_CONTAINERS: Final[dict[type, tuple[type, ...]]] = {list: (list, tuple, set, frozenset), dict: (dict,)}
_REGEX: Final = re.compile(r"matching regex (.*)", re.DOTALL)
_NOT_OF: Final = re.compile(r"\[\^((?:\\.|[^\]\\])+)\]")
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


class Walk:
    """Goes through a value beside the annotation that it should fit, and gives it back mended.

    Args:
        found: what is wrong with it is added to these.
        location: where the value was sent.
        turn: which of what a field takes stands in for what it does not: see `stand_in`.

    Attributes:
        blurred: the paths where what is given back is not what was sent.
        confused: lists, of which an item may be taken for another one, for what stands in is a word that others have.
    """

    def __init__(self, found: list[FieldError], location: Location, turn: int = 0) -> None:
        self.blurred: list[Path] = []
        self.confused: list[Path] = []
        self._found = found
        self._location = location
        self._turn = turn

    def add(self, path: Path, code: FieldCode, message: str) -> None:
        """Note a fault."""
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
        return stand_in(annotation, self._turn)

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
                self.add((*path, shown(name)), "unknown_field", message)
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

    def _right(self, annotation: Any) -> str:
        return describe(annotation, nullable=self._location != "query")  # there null is a text like any other

    def _leaf(self, annotation: Any, value: Any, path: Path) -> Any:
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            cause = error.__cause__
            if isinstance(cause, InvalidMessageError) and cause.field:
                self.add((*path, cause.field), "invalid", cause.message)
            elif isinstance(cause, ValueError):  # by a rule that the type itself states in words
                self.add(path, cause.code if isinstance(cause, RuleError) else "invalid", words(error))
            else:
                self.add(path, _code(error), f"must be {self._right(annotation)}{_hint(value, error)}")
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
    if isinstance(value, str) and (regex := _REGEX.search(_AT.sub("", str(error)))):
        return _unfit(value, ast.literal_eval(regex[1]))
    return ""


def _unfit(text: str, pattern: str) -> str:
    """Name the character that a pattern keeps out of a text, where it says which: few see those themselves."""
    kept_out = _NOT_OF.search(pattern)
    found = kept_out and re.search(f"[{kept_out[1]}]", text)
    if found:
        name = unicodedata.name(found[0], "a control character")
        return f"; its character {found.start() + 1} (U+{ord(found[0]):04X}, {name}) is not allowed"
    return "; it holds nothing but spaces" if kept_out and text and not text.strip() else ""


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
        yield from ((shown(name), item, kinds[1]) for name, item in value.items())
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


def words(error: msgspec.ValidationError) -> str:
    """Return what msgspec says, without where that is."""
    text = _AT.sub("", str(error))
    return text[:1].lower() + text[1:]


def shown(name: str) -> str:
    """Return a field's name as it is told: the beginning of a long one."""
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")
