"""Every route there is: found in the capabilities' folders, each in its `routes.py`."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import singr_api
from singr_api.admission.policy import PolicyTable
from singr_api.routing.operations import Operation
from singr_api.routing.route import Route, Section

_ROOMS: Final = frozenset({"http", "admission", "routing", "wiring"})
# What a reader of the documentation meets first; a capability that is not named comes at the end.
_READING_ORDER: Final = (
    *(
        "jobs",
        "schedules",
        "dead_letters",
        "bulk_actions",
        "deliveries",
        "recipients",
        "registration",
        "sign_in",
        "passwords",
        "me",
        "users",
        "sessions",
        "passkeys",
        "factors",
    ),
    *("organizations", "invitations", "credentials", "introspection", "well_known"),
    *(
        "queues",
        "providers",
        "standing_work",
        "limits",
        "operation_log",
        "health",
        "metrics",
        "links",
        "documentation",
        "problems",
    ),
)


@cache
def capabilities() -> tuple[str, ...]:
    """Return the packages that have a `routes.py`, in reading order."""
    return tuple(sorted(_below(list(singr_api.__path__), "singr_api"), key=_place))


@cache
def routes() -> tuple[Route, ...]:
    """Return all routes that are declared, in reading order."""
    return tuple(route for capability in capabilities() for part in _sections(capability) for route in part.routes)


@cache
def policy_table() -> PolicyTable:
    """Return the policies of all routes."""
    return PolicyTable(route.policy for route in routes())


def operations() -> tuple[Operation, ...]:
    """Return what every route does, in reading order."""
    return tuple(route.operation for route in routes())


def _sections(capability: str) -> list[Section]:
    parts = vars(import_module(f"{capability}.routes")).values()
    return [part for part in parts if isinstance(part, Section)]


def _below(path: list[str], package: str) -> Iterator[str]:
    for module in iter_modules(path):
        name = f"{package}.{module.name}"
        if not module.ispkg or (package == "singr_api" and module.name in _ROOMS):
            continue
        inner = list(import_module(name).__path__)
        if any(part.name == "routes" for part in iter_modules(inner)):
            yield name
        yield from _below(inner, name)


def _place(capability: str) -> tuple[int, str]:
    name = capability.rpartition(".")[2]
    return (_READING_ORDER.index(name) if name in _READING_ORDER else len(_READING_ORDER)), capability
