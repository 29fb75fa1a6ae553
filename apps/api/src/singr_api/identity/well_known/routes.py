"""What others look up at addresses that standards fix (RFC 8615)."""

import msgspec

from singr_api.identity.well_known.examples import KEYS
from singr_api.identity.well_known.schemas import KeySet
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services

well_known = Section("Sign-in")


@well_known.route(
    "GET /.well-known/jwks.json",
    "readKeys",
    Answer("The key set.", sends={"cache-control": "public, max-age=300"}, keys=Example("One key", KEYS)),
)
async def keys(services: Services) -> KeySet:
    """Read the public keys.

    Verifies access tokens anywhere, without a call to this API: pick the key by the token's `kid`. May be cached for
    five minutes; a new key is published here before it signs anything, so if a `kid` is unknown, fetch again, at most
    once a minute.
    """
    return msgspec.convert(services.keys.jwks(), KeySet)
