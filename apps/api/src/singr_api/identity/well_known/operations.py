"""Documentation of what is under /.well-known."""

from typing import Final

from singr_api.identity.well_known.schemas import KeySet
from singr_api.routing.operations import Example, Operation, Outcome

_KEYS: Final = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
            "alg": "ES256",
            "use": "sig",
        }
    ]
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/.well-known/jwks.json",
        tag="Sign-in",
        name="readKeys",
        summary="Read the public keys",
        description=(
            "Verifies access tokens anywhere, without asking: pick the key by the token's `kid`. May be kept for five"
            " minutes; a new key is published here before it signs anything, so ask again, at most once a minute, when"
            " a `kid` is not known."
        ),
        outcomes=(Outcome(200, "The key set.", KeySet, examples={"keys": Example("One key", _KEYS)}),),
    ),
)
