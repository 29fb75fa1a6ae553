"""Routes under /.well-known."""

from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from singr_api.admission.call import answer
from singr_api.identity.well_known.schemas import KeySet
from singr_api.wiring.services import Services

_CACHE: Final = "public, max-age=300"


@get("/.well-known/jwks.json")
async def keys(services: NamedDependency[Services]) -> Response[bytes]:
    """The public keys of access tokens."""
    return answer(msgspec.convert(services.keys.jwks(), KeySet), headers={"cache-control": _CACHE})


router = Router("/", route_handlers=[keys])
