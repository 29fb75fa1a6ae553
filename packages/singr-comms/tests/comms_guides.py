"""The guides' services, for tests: their modules, and the types of messages that they add."""

from pathlib import Path

import pytest

from singr_comms import message_types

EXAMPLES = Path(__file__).parents[3] / "docs/guides/examples"


def own_types(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add the types of the guides' service to this process for one test; the module of the first."""
    for table in ("_by_name", "_by_model"):
        monkeypatch.setattr(message_types, table, dict(getattr(message_types, table)))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    message_types.add_package("parcel_messages")
    return "parcel_messages.parcel_ready"
