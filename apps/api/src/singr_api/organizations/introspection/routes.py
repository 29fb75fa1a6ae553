"""What an API key is worth, for services that are called with one: RFC 7662, in form and answer."""

from typing import Final
from urllib.parse import parse_qsl

from singr_api.admission.browser import AnyRequest
from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.problems import INVALID, UNSUPPORTED_MEDIA_TYPE, FieldError, header_refused, invalid
from singr_api.organizations.introspection.schemas import IntrospectKey
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_auth.accounts import KeyIntrospection

FORM: Final = "application/x-www-form-urlencoded"
LONGEST_TOKEN: Final = 1024
_MOST_FIELDS: Final = 10
_ACTIVE: Final = {
    "active": True,
    "scope": "jobs:read jobs:write",
    "client_id": "ak_5Tn3Xw8yLm1Po6Qr2",
    "token_type": "api_key",
    "organization_id": "01920000-0000-7000-8000-000000000001",
}

introspection = Section("API keys", access=Access.CALLER, scope="api_keys:introspect")


@introspection.route(
    "POST /v1/introspect",
    "introspectApiKey",
    Answer(
        "The key's state and permissions.",
        active=Example("Active", _ACTIVE),
        inactive=Example("Inactive", {"active": False}),
    ),
    takes=IntrospectKey,
    form=True,
    body_examples={"key": Example("A key", {"token": "sk_live_" + "0" * 49})},
    problems=(UNSUPPORTED_MEDIA_TYPE, INVALID),
    asks=True,
)
async def introspect(request: AnyRequest, services: Services, call: Call) -> KeyIntrospection:
    """Introspect an API key.

    For services that are called with Singr API keys: RFC 7662, as a form. A key that is unknown, revoked, expired, or
    of another organization than yours gets `{"active": false}`, without a reason. `scope` is what the key may do at
    this moment. Cache a response for only a few seconds: a revoked key is refused here within one second. `singr_auth`
    has a ready-made client for Python.
    """
    _check_form(request.headers.get("content-type", ""))
    return await services.service_credentials.introspect(_token_in(call.body), asker=call.principal)


def _check_form(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != FORM:
        takes = {"accept-post": FORM}
        raise header_refused(UNSUPPORTED_MEDIA_TYPE, "content-type", f"must be {FORM}", "unsupported", takes)


def _token_in(body: bytes) -> str:
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="surrogateescape"
        )
    except ValueError:
        raise invalid(
            FieldError("", f"must be a form in ASCII of {_MOST_FIELDS} fields at most", "body", "malformed")
        ) from None
    given = [value for name, value in fields if name == "token"]
    if not given or not given[0]:
        raise invalid(FieldError("token", "is required: the API key that was presented", "body", "required"))
    if len(given) > 1:
        raise invalid(FieldError("token", "must come once", "body", "malformed"))
    if len(given[0]) > LONGEST_TOKEN:
        raise invalid(FieldError("token", f"must have at most {LONGEST_TOKEN} characters", "body", "too_long"))
    return given[0]
