"""Whatever holds a secret shows none, also where it was given a plain text."""

import importlib
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

import singr_auth
import singr_comms
import singr_config
from singr_config import HoldsSecrets, Secret


def structs() -> Iterator[type[msgspec.Struct]]:
    for package in (singr_auth, singr_comms, singr_config):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for value in vars(module).values():
                if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == found.name:
                    yield value


def holds_secret(hint: Any) -> bool:
    return hint is Secret or any(map(holds_secret, typing.get_args(hint)))


def test_every_struct_with_a_secret_masks_plain_text() -> None:
    holders = [one for one in structs() if any(map(holds_secret, typing.get_type_hints(one).values()))]
    assert len(holders) > 20
    assert [one.__qualname__ for one in holders if not issubclass(one, HoldsSecrets)] == [], (
        "they would show a plain text in their repr"
    )
