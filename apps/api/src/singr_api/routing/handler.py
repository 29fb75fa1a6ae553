"""A handler, read: what it is given and answers, by the names and annotations of its parameters."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

GIVEN: Final = frozenset({"call", "client", "services", "request", "body", "query", "session", "organization_id"})


class RouteError(TypeError):
    """A handler does not fit its route: says which, and what to do.

    Args:
        where: the handler and its route.
        advice: what does not fit, and what would.
    """

    def __init__(self, where: str, advice: str) -> None:
        super().__init__(f"{where}: {advice}.")


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """What a route does, as its function says.

    Attributes:
        where: the function and its route, for people.
        parameters: by name, their annotations.
        answers: what it returns.
        body: what the body is decoded into; None where the handler takes none.
        query: of what struct the query is, taken by the handler or only by its organization.
        in_path: names of the path's parameters.
        before: what is awaited before the session opens.
        gives: by parameter, what else gives values.
    """

    where: str
    function: Callable[..., Awaitable[Any]]
    parameters: dict[str, Any]
    answers: Any
    summary: str
    description: str
    body: Any
    body_optional: bool
    query: type[msgspec.Struct] | None
    in_path: frozenset[str]
    before: Callable[..., Awaitable[Any]] | None
    gives: dict[str, Callable[..., Awaitable[Any]]]

    @property
    def wanted(self) -> dict[str, Any]:
        """Everything that has to be there before the session opens, by name, with its annotation."""
        wanted = {name: annotation for name, annotation in self.parameters.items() if name != "session"}
        for function in (*self.gives.values(), *([self.before] if self.before else [])):
            wanted = annotations_of(function) | wanted
        return wanted

    @property
    def session(self) -> Any:
        """The kind of session that it is given; None where it takes none."""
        return self.parameters.get("session")


def read_handler(
    function: Callable[..., Awaitable[Any]],
    line: str,
    *,
    before: Callable[..., Awaitable[Any]] | None,
    gives: Mapping[str, Callable[..., Awaitable[Any]]],
    query: type[msgspec.Struct] | None,
) -> Handler:
    """Read what a function is given and answers.

    Raises:
        RouteError: it is no coroutine function, has no docstring, or leaves an annotation out.
    """
    where = f"{function.__module__}.{function.__qualname__} ({line})"
    if not inspect.iscoroutinefunction(function):
        raise RouteError(where, "write it as `async def`: the framework would hold everybody up while it runs")
    parameters = annotations_of(function)
    signature = inspect.signature(function)
    for name in (*signature.parameters, "return"):
        if name not in parameters:
            what = "what it returns" if name == "return" else f"the parameter `{name}`"
            raise RouteError(where, f"annotate {what}: the annotation says what is decoded, or answered")
    if not function.__doc__:
        raise RouteError(where, "give it a docstring: its first line is the summary of the route")
    summary, _, description = inspect.cleandoc(function.__doc__).partition("\n\n")
    body = parameters.get("body")
    optional = body is not None and signature.parameters["body"].default is None
    answers = parameters.pop("return")
    used = {name: function for name, function in gives.items() if name in parameters}
    return Handler(
        where=where,
        function=function,
        parameters=parameters,
        answers=None if answers is NoneType else answers,
        summary=" ".join(summary.split()).rstrip("."),
        description="\n\n".join(" ".join(part.split()) for part in description.split("\n\n")),
        body=_without_none(body) if optional else body,
        body_optional=optional,
        query=parameters.get("query", query),
        in_path=frozenset(re.findall(r"\{(\w+)\}", line)),
        before=before,
        gives=used,
    )


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function's parameters, and of what it returns, as types."""
    return get_type_hints(function, include_extras=True)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation
    rest = tuple(one for one in get_args(annotation) if one is not NoneType)
    return Union[rest]  # noqa: UP007 — made at run time
