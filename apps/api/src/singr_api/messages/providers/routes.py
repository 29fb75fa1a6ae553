"""Providers: list, force, release."""

from typing import Any, Final

from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.messages.providers import examples, schemas
from singr_api.routing.route import Answer, Section
from singr_comms.notifications import ProviderView, force_provider, list_providers, release_provider
from singr_db import PlatformSession

providers = Section(
    "Providers",
    access=Access.CALLER,
    scope="operations:read",
    platform="Providers send for all organizations: no credential of one, and nobody acting for one, may see them.",
)
_CHANGES: Final[dict[str, Any]] = {
    "path_schemas": schemas.PATH,
    "problems": (NOT_FOUND,),
    "scope": "operations:write",
    "idempotent": True,
}


@providers.route("GET /v1/providers", "listProviders", Answer("The providers.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.ProviderList:
    """List providers.

    The providers that workers call, as all processes see them. Its circuit breaker opens after ten calls in a row, or
    half of twenty within a minute, have failed through the provider's own fault, and at once after a success that the
    provider never gives; an occasional message then probes whether it has recovered. Meanwhile the channel's fallback
    is called, or messages wait without using up attempts.
    `rate` is the provider's rate limit (`PROVIDER_RATES`); messages beyond it wait in the same way.
    """
    return schemas.ProviderList(await list_providers(session))


@providers.route(
    "POST /v1/providers/{channel}/{provider}/force",
    "forceProvider",
    Answer("The state is forced.", forced=examples.FORCED),
    body_examples={"open": examples.FORCE},
    **_CHANGES,
)
async def force(session: PlatformSession, channel: str, provider: str, body: schemas.ForceProvider) -> ProviderView:
    """Force a provider open or closed.

    For the given number of minutes it is called, or not, regardless of failures; workers learn of this within a second.
    Messages that may already have been sent through it are not sent through another provider in the meantime.
    """
    return await force_provider(session, channel, provider, body.state, minutes=body.minutes, reason=body.reason)


@providers.route(
    "POST /v1/providers/{channel}/{provider}/release",
    "releaseProvider",
    Answer("Its circuit breaker decides again.", released=examples.RELEASED),
    **_CHANGES,
)
async def release(session: PlatformSession, channel: str, provider: str) -> ProviderView:
    """Release a provider.

    Ends a forced state before its time.
    """
    return await release_provider(session, channel, provider)
