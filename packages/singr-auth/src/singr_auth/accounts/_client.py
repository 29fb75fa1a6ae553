"""Where a request came from: what flows need to know of it, without knowing HTTP."""

from singr_config import HoldsSecrets, Secret


class ClientInfo(HoldsSecrets, frozen=True):
    """The caller's side of a request.

    Attributes:
        address: the caller's address as the edge believes it (an IPv6 caller's /64), or "local".
        user_agent: as sent, cut to 400 characters; "" where none was sent.
        device_token: what this browser was given at an earlier sign-in, as presented: proves nothing by itself.
    """

    address: str
    user_agent: str = ""
    device_token: Secret | None = None
