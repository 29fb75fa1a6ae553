"""The words of the API's documentation: one `Operation` beside each route, made of data."""

from typing import Any

import msgspec

from singr_api.http.problems import Kind


class Example(msgspec.Struct, frozen=True):
    """A whole value, with a line that says what it shows."""

    summary: str
    value: Any


class Outcome(msgspec.Struct, frozen=True):
    """A good answer.

    Attributes:
        status: 204 has no body.
        type: what the body is; None where it is no JSON.
        media_type: of the body.
        headers: by name, with what they say.
        bare: nothing follows the headers.
        also: media types of the same in other forms, as text.
    """

    status: int
    description: str
    type: Any = None
    media_type: str = "application/json"
    examples: dict[str, Example] = {}
    headers: dict[str, str] = {}
    bare: bool = False
    also: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a route and method does, for people and for generated clients.

    Attributes:
        path_schemas: by name, JSON Schemas of those path parameters that are no UUIDs; `description` says what one is.
        header_schemas: by name, JSON Schemas of headers that it reads itself, with `description` and `example`.
        query: struct of the query parameters.
        body: type of the body.
        body_form: it is sent as a form (application/x-www-form-urlencoded), not as JSON.
        problems: what may go wrong beside what every route of its policy may answer.
    """

    method: str
    path: str
    tag: str
    name: str
    summary: str
    description: str = ""
    path_schemas: dict[str, dict[str, Any]] = {}
    header_schemas: dict[str, dict[str, Any]] = {}
    query: type[msgspec.Struct] | None = None
    body: Any = None
    body_form: bool = False
    body_examples: dict[str, Example] = {}
    outcomes: tuple[Outcome, ...]
    problems: tuple[Kind, ...] = ()
