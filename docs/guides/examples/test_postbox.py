"""Postbox does what every provider must do: the suite that Singr's own providers pass."""

import httpx
from postbox import PostboxProvider

from singr_comms.conformance import HttpProviderSuite, Reply, Request
from singr_config import Secret


class TestPostbox(HttpProviderSuite):
    """How it is built, and how the service answers, by its page."""

    channel = "sms"
    secrets = ("sesame",)

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> PostboxProvider:
        """Talk to `url`."""
        return PostboxProvider(http, api_key=Secret("sesame"), base_url=url, deadline=deadline)

    def taken(self, _request: Request) -> Reply:
        """It took the message."""
        return Reply(202, {"id": "pb_1"})

    def refused(self, _request: Request) -> Reply:
        """It will never take one to this number."""
        return Reply(400, {"error": "bad_number", "message": "+15555550100 is no number"})

    def found(self, _request: Request) -> Reply:
        """It lists the message that was asked for."""
        return Reply(200, {"messages": [{"id": "pb_1", "reference": "conformance-token-7f3a"}]})

    def absent(self, _request: Request) -> Reply:
        """It has none of this reference."""
        return Reply(200, {"messages": []})
