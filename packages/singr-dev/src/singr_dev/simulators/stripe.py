"""Stripe's subscriptions on loopback, to be read.

with stripe.serve() as simulator:
    simulator.subscribe("sub_1", metadata={"organization_id": "…"})
    ...  # ask simulator.base_url
    simulator.change("sub_1", status="past_due")
"""

import contextlib
import copy
import hmac
import secrets
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from singr_config.clock import clock
from singr_dev.simulators._simulator import Answer, Simulator

__all__ = ["StripeSimulator", "serve"]

_MONTH: Final = 30 * 86_400
_EXPANDED: Final = "customer"
_OWN: Final = frozenset({"id", "object", "customer"})


class StripeSimulator(Simulator):
    """`GET /v1/subscriptions/{id}`, with `expand[]=customer`: the secret key as bearer.

    Args:
        secret_key: the account's key.
    """

    def __init__(self, *, secret_key: str = "sk_test_singr_simulator") -> None:  # noqa: S107 - opens nothing
        self.secret_key = secret_key
        self._subscriptions: dict[str, dict[str, Any]] = {}
        self._customers: dict[str, dict[str, Any]] = {}
        self._kept = threading.Lock()
        super().__init__()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point Singr at this simulator."""
        return {"STRIPE_SECRET_KEY": self.secret_key, "STRIPE_BASE_URL": self.base_url}

    def subscribe(
        self,
        subscription: str,
        *,
        customer: str = "cus_1",
        metadata: Mapping[str, str] | None = None,
        customer_metadata: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Make a subscription, and its customer; `fields` go over those of a monthly one that is active."""
        now = int(clock.time())
        period = {"current_period_start": now, "current_period_end": now + _MONTH}
        price = {"id": "price_1", "object": "price", "lookup_key": "pro", "nickname": None, "product": "prod_1"}
        item = {"id": f"si_{subscription}", "object": "subscription_item", "price": price, "quantity": 1, **period}
        url = f"/v1/subscription_items?subscription={subscription}"
        made = {
            "id": subscription,
            "object": "subscription",
            "cancel_at_period_end": False,
            "canceled_at": None,
            "created": now,
            "customer": customer,
            "items": {"object": "list", "data": [item], "has_more": False, "total_count": 1, "url": url},
            "livemode": False,
            "metadata": dict(metadata or {}),
            "status": "active",
        } | fields
        with self._kept:
            self._subscriptions[subscription] = made
            known = {"id": customer, "object": "customer", "livemode": False, "metadata": dict(customer_metadata or {})}
            self._customers[customer] = known
            return copy.deepcopy(made)

    def change(self, subscription: str, **fields: Any) -> dict[str, Any]:
        """Change a subscription; returns it as an event would show it then."""
        if wrong := fields.keys() & _OWN:
            raise ValueError(f"never changes: {', '.join(sorted(wrong))}")
        with self._kept:
            self._subscriptions[subscription] |= fields
            return copy.deepcopy(self._subscriptions[subscription])

    def reset(self) -> None:
        """Forget what was planned, and every subscription."""
        super().reset()
        with self._kept:
            self._subscriptions.clear()
            self._customers.clear()

    def routes(self) -> list[Route]:
        """Reading one subscription."""
        return [
            Route("/v1/subscriptions/{id}", self._read, methods=["GET"]),
            Route("/v1/{rest:path}", self._elsewhere, methods=["GET", "POST", "DELETE"]),
        ]

    def fault_body(self, status: int) -> Any:
        """Stripe's error body."""
        if status == 429:  # noqa: PLR2004 - Too Many Requests
            return _error("invalid_request_error", "Request rate limit exceeded.", code="rate_limit")
        return _error("api_error", "An unknown error occurred")

    async def _read(self, request: Request) -> Response:
        self.count()
        if refused := self._unauthorized(request):
            return refused
        asked = request.query_params.multi_items()
        wrong = [name for name, _ in asked if name != "expand[]" and not name.startswith("expand[")]
        if wrong:
            text = f"Received unknown parameter: {wrong[0]}"
            return JSONResponse(_error("invalid_request_error", text, code="parameter_unknown", param=wrong[0]), 400)
        expand = [value for _, value in asked]
        if unknown := [value for value in expand if value != _EXPANDED]:
            text = f"This property cannot be expanded ({unknown[0]})."
            return JSONResponse(_error("invalid_request_error", text), 400)
        identity = request.path_params["id"]
        with self._kept:
            found = copy.deepcopy(self._subscriptions.get(identity))
            if found is not None and expand:
                found["customer"] = copy.deepcopy(self._customers[found["customer"]])
        if found is None:
            text = f"No such subscription: '{identity}'"
            missing = _error("invalid_request_error", text, code="resource_missing", param="id")
            return await self.respond(request, Answer(404, missing))
        return await self.respond(request, Answer(200, found))

    async def _elsewhere(self, request: Request) -> Response:
        text = f"Unrecognized request URL ({request.method}: {request.url.path})."
        return self._unauthorized(request) or JSONResponse(_error("invalid_request_error", text), 404)

    def _unauthorized(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            text = "You did not provide an API key. You need to provide your API key in the Authorization header."
        elif not hmac.compare_digest(given.encode(), self.secret_key.encode()):
            text = f"Invalid API Key provided: {given[:7]}****{given[-4:]}"
        else:
            return None
        return JSONResponse(
            _error("invalid_request_error", text), 401, {"www-authenticate": 'Bearer realm="Stripe"', **_numbered()}
        )


def _numbered() -> dict[str, str]:
    return {"request-id": f"req_{secrets.token_hex(7)}"}


def _error(kind: str, text: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    said = {"type": kind, "message": text, "code": code, "param": param}
    return {"error": {name: value for name, value in said.items() if value is not None}}


@contextlib.contextmanager
def serve(port: int = 0, **options: Any) -> Iterator[StripeSimulator]:
    """Serve a simulator (options: see its class) on loopback for the length of the block."""
    with StripeSimulator(**options).serve(port) as simulator:
        yield simulator
