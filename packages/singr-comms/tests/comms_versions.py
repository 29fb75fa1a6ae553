"""Processes that know a type of message with other fields, as during a roll-out."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import msgspec
import pytest

from singr_comms import Message, MessageType, MessageTypes, message_types

Knowing: TypeAlias = Callable[..., AbstractContextManager[Any]]
LINK = "https://parcels.example/7"


def knowing(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """`with knowing(mood=(str | None, None)) as model`: as in a process whose `parcel_ready` has these fields too."""
    folder = importlib.import_module("parcel_messages.parcel_ready")

    @contextmanager
    def version(**fields: Any) -> Iterator[Any]:
        models = {name: _with(known, fields) for name, known in folder.MESSAGE_TYPE.models.items()}
        declared = MessageType(
            folder.__name__,
            speaks_for="platform" if "expiry_minutes" in fields else "organization",
            carries_code="expiry_minutes" in fields,
            category="parcels",
            examples=(
                lambda: models["email"](user_name="Jane", **_given(fields)),
                lambda: models["sms"](**_given(fields)),
                lambda: models["push"](**_given(fields)),
            ),
            **models,
        )
        fresh = MessageTypes()
        fresh.add(declared)
        with monkeypatch.context() as patched:
            for table in ("_by_name", "_by_model"):
                patched.setattr(message_types, table, getattr(message_types, table) | getattr(fresh, table))
            yield models["email"]

    return version


def unknowing(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """`with unknowing():` as in a process that has no `parcel_ready`."""

    @contextmanager
    def without() -> Iterator[None]:
        with monkeypatch.context() as patched:
            known = {one.name: one for one in message_types if one.name != "parcel_ready"}
            patched.setattr(message_types, "_by_name", known)
            yield

    return without


def _with(model: type[Message], fields: dict[str, Any]) -> Any:
    added = [(name, *form) if isinstance(form, tuple) else (name, form) for name, form in fields.items()]
    return msgspec.defstruct(model.__name__, added, bases=(model,), tag="parcel_ready", frozen=True, kw_only=True)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    needed = {name: "Some words" for name, form in fields.items() if not isinstance(form, tuple)}
    return {"shop": "Corner Shop", "link": LINK, **needed}
