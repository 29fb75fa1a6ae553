"""What services send to ask about an API key."""

from typing import Annotated

import msgspec
from msgspec import Meta


class IntrospectKey(msgspec.Struct, frozen=True):
    """The key to check."""

    token: Annotated[str, Meta(min_length=1, max_length=1024, examples=["sk_live_" + "0" * 49])]
    token_type_hint: str | None = None
