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


@providers.route("GET /v1/providers", "listProviders", Answer("All of them.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.ProviderList:
    """List providers.

    Those that workers call, as all processes see them. Ten calls in a row that fail for the provider's own sake open
    its breaker, as do half of twenty within a minute; one message now and then tries whether that is over. Meanwhile
    the fallback of its channel is called, or messages wait and pay no attempt. `rate` is what it is
    given at most (`PROVIDER_RATES`); messages beyond that wait likewise.
    """
    return schemas.ProviderList(await list_providers(session))


@providers.route(
    "POST /v1/providers/{channel}/{provider}/force",
    "forceProvider",
    Answer("It is forced.", forced=examples.FORCED),
    body_examples={"open": examples.FORCE},
    **_CHANGES,
)
async def force(session: PlatformSession, channel: str, provider: str, body: schemas.ForceProvider) -> ProviderView:
    """Force a provider open or closed.

    For so many minutes it is called, or not, whatever comes of it; workers know within a second. What may have been
    sent by it is sent by no other one meanwhile.
    """
    return await force_provider(session, channel, provider, body.state, minutes=body.minutes, reason=body.reason)


@providers.route(
    "POST /v1/providers/{channel}/{provider}/release",
    "releaseProvider",
    Answer("It is judged by what it does again.", released=examples.RELEASED),
    **_CHANGES,
)
async def release(session: PlatformSession, channel: str, provider: str) -> ProviderView:
    """Release a provider.

    What an operator forced is over before its time.
    """
    return await release_provider(session, channel, provider)
