"""An annotation, read: what it takes, in words, and something that it takes."""

from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, inspect


class _Nothing(Enum):
    NOTHING = "nothing"


NOTHING: Final = _Nothing.NOTHING
"""There is no such value."""
_FITS: Final = " that fits "
_FORMS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.UUIDType: "a UUID, such as 01920000-0000-7000-8000-000000000001",
    inspect.DateTimeType: "a time with its zone (RFC 3339), such as 2026-11-22T12:00:00Z",
    inspect.DateType: "a date, such as 2026-11-22",
    inspect.DictType: "an object",
    inspect.StructType: "an object",
}

# First what nobody sends, so that nothing else is the same. Times lie behind: what begins then has begun.
_TRIED: Final[tuple[Any, ...]] = (
    "stand-in.not-sent", "nobody@stand-in.example", "+15555550199", "01920000-0000-7000-8000-00005711d111",
    "2020-01-01T00:00:00Z", "2020-01-01", "03:07", "03:07:00", "a", "en", "UTC", 0, 1, 0.5, [], {},
)  # fmt: skip


def stand_in(annotation: Any, turn: int = 0) -> Any:
    """Return something, as JSON has it, that an annotation takes; `NOTHING` where nothing is found.

    With each turn another one, until they begin anew: the words of a fixed set, and null where it may be left out.
    """
    members = members_of(annotation)
    is_optional = type(None) in members
    for member in members:
        if member is type(None):
            continue
        bare, bounds = _taken_apart(member)
        words = _words(bare) or _first(member, (*_made(bare, bounds, turn >> is_optional), *_TRIED, *_told(bounds)))
        if words:
            all_ = (*words, None) if is_optional else words
            return all_[turn % len(all_)]
    return NOTHING


def _first(annotation: Any, values: Iterable[Any]) -> tuple[Any, ...]:
    for value in values:
        with suppress(msgspec.ValidationError, TypeError):
            msgspec.convert(value, annotation)
            return (value,)
    return ()


def _words(bare: Any) -> tuple[Any, ...]:
    """All that there is to choose from, where that is a fixed set."""
    if get_origin(bare) is Literal:
        return get_args(bare)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple(one.value for one in bare)
    return (False, True) if bare is bool else ()


def is_choice(annotation: Any) -> bool:
    """Whether it takes words of a fixed set, one of which may decide what stands beside it."""
    return any(bare is not bool and _words(bare) for bare in map(bare_of, members_of(annotation)))


def _made(bare: Any, bounds: tuple[Meta, ...], turn: int) -> tuple[Any, ...]:
    """What follows from the annotation itself: its bounds, or a whole of its parts."""
    least = [bound.min_length for bound in bounds if bound.min_length is not None]
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _filled(bare, turn)
    if get_origin(bare) in {list, tuple, set, frozenset} and least:
        item = stand_in(get_args(bare)[0], turn)
        return () if item is NOTHING else ([item] * least[0],)
    if bare is str and least and least[0] > 1:
        return ("a" * least[0],)
    return tuple(edge for bound in bounds for edge in (bound.ge, bound.le) if edge is not None)


def _filled(struct: type[msgspec.Struct], turn: int) -> tuple[Any, ...]:
    config = struct.__struct_config__
    whole: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
    for field in msgspec.structs.fields(struct):
        if field.required:
            whole[field.encode_name] = stand_in(field.type, turn)
    return () if any(part is NOTHING for part in whole.values()) else (whole,)


def _told(bounds: tuple[Meta, ...]) -> tuple[Any, ...]:
    return tuple(example for bound in bounds for example in bound.examples or ())


def bare_of(annotation: Any) -> Any:
    """Return the type that is annotated, without what is said of it."""
    return _taken_apart(annotation)[0]


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Return what a union is made of, each as it is annotated; of another type, itself."""
    bare, bounds = _taken_apart(annotation)
    if get_origin(bare) not in {Union, UnionType}:
        return (annotation,)
    rest = get_args(bare)
    return tuple(one if one is type(None) else Annotated[one, *bounds] for one in rest) if bounds else rest


def _taken_apart(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    if get_origin(annotation) is not Annotated:
        return annotation, ()
    bare, *bounds = get_args(annotation)
    return bare, tuple(bound for bound in bounds if isinstance(bound, Meta))


def describe(annotation: Any, *, nullable: bool = True) -> str:
    """Say in words what fits an annotation: `a string of 1 to 100 characters`; without null where none can be sent."""
    node = inspect.type_info(annotation)
    if isinstance(node, inspect.UnionType) and not nullable:
        node = inspect.UnionType(tuple(one for one in node.types if not isinstance(one, inspect.NoneType)))
    return _describe(node)


def _describe(node: inspect.Type, *, among: bool = False) -> str:  # noqa: PLR0911 — one line for each kind of type reads best
    if isinstance(node, inspect.Metadata):
        return _annotated(node)
    if isinstance(node, inspect.UnionType):
        kinds = dict.fromkeys(_describe(member, among=len(node.types) > 1) for member in node.types)
        said = sorted(kinds, key=lambda words: ", each " in words)  # what follows "each" is of its items
        return (", or " if any(", such as " in words for words in said[:-1]) else " or ").join(said)
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
    if isinstance(node, inspect.StructType) and among and node.fields:
        return f"an object of {', '.join(field.encode_name for field in node.fields)}"
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
        is_name = text[:1].isupper() and not text[1:2].islower() and text[1:2] != " "  # such as E.164
        form += f" ({text if is_name else text[:1].lower() + text[1:]})"
    return form + (f", such as {said['examples'][0]}" if "examples" in said and " as " not in form else "")


def _span(least: float | None, most: float | None, unit: str) -> str:
    words = f" {unit}" if unit else ""
    if least is not None and most is not None:
        return f"{' of' if unit else ' from'} {_number(least)} to {_number(most)}{words}"
    if least is not None:
        return f" of at least {_number(least)}{words}"
    return f" of at most {_number(most)}{words}" if most is not None else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.10g}"
