"""What an API key is worth, for services that are called with one: RFC 7662, in form and answer."""

from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency

from singr_api.admission.call import answer, call_of
from singr_api.http.problems import UNSUPPORTED_MEDIA_TYPE, FieldError, Problem, header_error, invalid
from singr_api.wiring.services import Services

AnyRequest = Request[Any, Any, Any]
FORM: Final = "application/x-www-form-urlencoded"
LONGEST_TOKEN: Final = 1024
_MOST_FIELDS: Final = 10


@post("/v1/introspect", status_code=200)
async def introspect(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Say what an API key is worth."""
    call = call_of(request)
    _check_form(request.headers.get("content-type", ""))
    token = _token_in(call.body)
    return answer(await services.service_credentials.introspect(token, asker=call.principal))


def _check_form(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != FORM:
        message = f"must be {FORM}"
        raise Problem(
            UNSUPPORTED_MEDIA_TYPE,
            f"The header content-type {message}.",
            errors=(header_error("content-type", message, "unsupported"),),
            headers={"accept-post": FORM},
        )


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


router = Router("/", route_handlers=[introspect])
