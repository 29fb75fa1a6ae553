"""The OpenAPI 3.1 document, made of the policy table, the operations beside the routes, and the structs themselves."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from singr_api.admission.cookies import ACCESS
from singr_api.admission.csrf import CSRF_HEADER
from singr_api.admission.people import ORGANIZATION_HEADER, SAFE
from singr_api.admission.policy import Access, Limit, Policy, PolicyTable
from singr_api.http import problems
from singr_api.http.kinds import HEAD_TOO_LARGE
from singr_api.http.problems import BASE, CONTENT_TYPE, KINDS, FieldError, Kind, ProblemDocument, header_error
from singr_api.routing.operations import Example, Operation, Outcome
from singr_api.routing.schemas import SchemaSet
from singr_api.routing.shared_parts import share

DESCRIPTION: Final = """\
{name} accepts jobs, such as messages to send, stores them durably, carries them out and reports their outcome.

**Authentication.** People sign in at `/v1/auth` and send the access token as `authorization: Bearer`. Browsers can keep
it in cookies instead; every unsafe request then needs the `csrf_token` from the sign-in in `x-csrf-token`, and must
come from this address or an origin in `CORS_ORIGINS`. A person who acts for an organization names it in
`x-singr-organization`, unless the path does. Services authenticate with an API key (`x-api-key`) or sign their
requests with four headers: `x-singr-key`, `x-singr-timestamp` (Unix seconds, at most 300 off), `x-singr-nonce` (16 to
64 of `A-Za-z0-9_-`, new for each request) and `x-singr-signature`: `v1=` followed by the lower-case hexadecimal
HMAC-SHA256, under the shared secret, of five lines joined by line feeds: method, path with query exactly as on the
request line, timestamp, nonce, and lower-case hexadecimal SHA-256 of the body. A signed read may be repeated within
those 300 seconds; a signed change is accepted only once.

**Retries.** A `POST` that makes or starts something needs an `Idempotency-Key`, as its parameters say. `PUT`, `PATCH`
and `DELETE` take none: they can be repeated as they are. The first response to a key is kept for 48 hours and returned
again, with `Idempotency-Replayed: true`. The key is bound to method, path, query and body. Signed requests must be
signed anew for each retry. Routes under `/v1/auth` and `/v1/me` take no idempotency key: their responses contain
secrets, which are not stored, and what they consume can be consumed only once.

**Errors** are problem details (RFC 9457). They name every invalid field and say what would be right.

**Lists** are paginated, newest first: follow `Link: rel="next"`, or pass `next_cursor` as `cursor`.

**Rate limits.** `RateLimit` and `RateLimit-Policy` report the remaining quota; a 429 response has `Retry-After`. These
limits keep load away, and are not enforced while requests cannot be counted. The limits that protect passwords and
codes refuse requests in that case (`guard-unavailable`); each route lists its own.
"""

NO_CONTENT: Final = 204
_SIGNED: Final = {"SigningKey": "x-singr-key", "SigningTimestamp": "x-singr-timestamp", "SigningNonce": "x-singr-nonce"}
_REQUEST_ID: Final = "00f067aa0ba902b7a3ce929d0e0e4736"
_FIELD: Final = {
    "malformed-body": FieldError("", "must be one JSON value", "body", "malformed"),
    "idempotency-key-missing": header_error("idempotency-key", "must be 1 to 255 visible ASCII characters", "required"),
    "invalid": FieldError("limit", "must be an integer from 1 to 100", "query", "too_large"),
    "organization-forbidden": FieldError(
        "organization_id", "must be the credential's own organization, or left out", "query", "forbidden"
    ),
    "token-refused": header_error("authorization", "the access token is malformed, or not signed by us", "malformed"),
    "token-expired": header_error("authorization", "the access token has expired: refresh it", "expired"),
    "token-revoked": header_error("authorization", "this session has ended: sign in again", "revoked"),
    "credentials-ambiguous": header_error("authorization", "send one kind of credential", "ambiguous"),
    "csrf-refused": header_error("x-csrf-token", "must be the csrf_token returned at sign-in", "cross_site"),
    "signature-refused": header_error("x-singr-timestamp", "the timestamp is more than 300 seconds off", "stale"),
    "request-replayed": header_error("x-singr-nonce", "this nonce was used before", "replayed"),
    "unsupported-media-type": header_error("content-type", "must be application/json, in UTF-8", "unsupported"),
    "not-acceptable": header_error("accept", "must admit application/json", "unsupported"),
    "job-gone": header_error("idempotency-key", "the job that this key created no longer exists", "expired"),
    "idempotency-key-reused": header_error("idempotency-key", "this key was used for another request", "key_reused"),
}

# What many routes share stands once in the document.
_PARAMETERS: Final[dict[str, Any]] = {
    "Organization": {
        "name": ORGANIZATION_HEADER,
        "in": "header",
        "required": False,
        "description": "The organization that is acted for. A person names it unless the path does; a service's"
        " credential has its own, and is refused (403) with another; a platform API key may name it here or in"
        " `organization_id`.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "01920000-0000-7000-8000-000000000001",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "Chosen by the caller; the same for every retry of one request. Kept for 48 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21\x23-\x7e]+$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
}
_HEADERS: Final = {
    "X-Request-Id": "Identifies this request in logs, jobs and traces: the caller's own id, or a new one.",
    "RateLimit-Policy": 'The limit, as `"credential";q=600;w=60`: quota of requests and window in seconds.',
    "RateLimit": 'The remaining quota, as `"credential";r=599;t=42`: requests left, and seconds to the next one.',
    "WWW-Authenticate": "The accepted authentication schemes; with 403, the scope that the access token lacks.",
    "Retry-After": "Seconds to wait before the next try.",
}
_PROBLEM_HEADERS: Final = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_SCOPE_HEADERS: Final = ("WWW-Authenticate",)  # RFC 6750: what an access token lacks


def build_document(
    operations: Sequence[Operation], table: PolicyTable, *, version: str, server: str, name: str, contact: str
) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: one for each route of the policy table.
        table: the policies of all routes.
        version: of the API.
        server: its address.
        name: the product's.
        contact: the e-mail address of those who answer questions about it.

    Raises:
        LookupError: an operation is not in the policy table, or a policy has no operation.
    """
    schemas = SchemaSet([*_types(operations), ProblemDocument])
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        policy = table.of(operation.method, operation.path)
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, policy, schemas)
    missing = [
        f"{policy.method} {policy.path}"
        for policy in table.policies
        if policy.method.lower() not in paths.get(policy.path, {})
    ]
    if missing:
        raise LookupError(f"routes without an operation that documents them: {', '.join(missing)}")
    components: dict[str, Any] = {
        "schemas": schemas.components,
        "parameters": dict(_PARAMETERS),
        "headers": {name: _header(text) for name, text in _HEADERS.items()},
        "examples": {kind.slug: _problem_example(kind) for kind in KINDS},
        "securitySchemes": _security_schemes(),
    }
    share(paths, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{name} API",
            "version": version,
            "description": DESCRIPTION.replace("{name}", name),
            "contact": {"name": name, "email": contact},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": components,
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    found: list[Any] = []
    for operation in operations:
        found += [outcome.type for outcome in operation.outcomes if outcome.type is not None]
        found += [type_ for type_ in (operation.query, operation.body) if type_ is not None]
    return found


def _operation(operation: Operation, policy: Policy, schemas: SchemaSet) -> dict[str, Any]:
    document: dict[str, Any] = {"tags": [operation.tag], "operationId": operation.name, "summary": operation.summary}
    description = operation.description or _who(policy)
    if policy.closed:
        description = (
            f"{description}\n\n**Attempt limits:** {policy.closed} Refused while attempts cannot be counted.".strip()
        )
    document["description"] = description
    in_path = [_path_parameter(name, operation) for name in re.findall(r"\{(\w+)\}", operation.path)]
    parameters = [*in_path, *_query_parameters(operation, schemas), *_own_headers(operation), *_headers(policy)]
    if parameters:
        document["parameters"] = parameters
    if operation.body is not None:
        document["requestBody"] = {
            "required": not policy.optional_body,
            "content": {
                "application/x-www-form-urlencoded" if operation.body_form else "application/json": {
                    "schema": schemas.of(operation.body),
                    "examples": _examples(operation.body_examples),
                }
            },
        }
    document["responses"] = _responses(operation, policy, schemas)
    document["security"] = _security(policy)
    return document


def _who(policy: Policy) -> str:
    """Where all else is said by the summary: who may call it."""
    if policy.access is Access.CALLER:
        return f"Requires the scope `{policy.scope}`." if policy.scope else "Requires a credential."
    if policy.access is Access.OPTIONAL:
        return "No authentication required. Credentials that are sent are checked, and refused if they are wrong."
    return "Requires a signed-in person." if policy.access is Access.USER else "No authentication required."


def _path_parameter(name: str, operation: Operation) -> dict[str, Any]:
    schema = dict(operation.path_schemas.get(name, {"type": "string", "format": "uuid"}))
    words = schema.pop("description", None) or f"Id of the {name.removesuffix('_id').replace('_', ' ')}."
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def _query_parameters(operation: Operation, schemas: SchemaSet) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    query: dict[str, Any] = schemas.take(operation.query)
    parameters = []
    for name, schema in query["properties"].items():
        bare = _without_null(schema)
        parameter = {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": bare}
        description = bare.pop("description", None)
        if description:
            parameter["description"] = description
        parameters.append(parameter)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out needs no null."""
    options: list[dict[str, Any]] = schema.get("anyOf", [])
    rest = [option for option in options if option != {"type": "null"}]
    if len(rest) == 1 and len(rest) < len(options):
        return {key: value for key, value in schema.items() if key not in {"anyOf", "default"}} | rest[0]
    if "enum" in schema:
        return {**_worded(schema), "enum": [value for value in schema["enum"] if value is not None]}
    return {key: value for key, value in schema.items() if value is not None}


def _worded(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": schema["description"]} if "description" in schema else {}


def _own_headers(operation: Operation) -> list[dict[str, Any]]:
    told = {"description", "example"}
    return [
        {"name": name, "in": "header", "required": False}
        | {key: value for key, value in given.items() if key in told}
        | {"schema": {key: value for key, value in given.items() if key not in told}}
        for name, given in operation.header_schemas.items()
    ]


def _headers(policy: Policy) -> list[dict[str, Any]]:
    wanted = {"Organization": policy.access is Access.CALLER, "IdempotencyKey": policy.idempotent}
    return [_ref("parameters", name) for name, is_wanted in wanted.items() if is_wanted]


def _responses(operation: Operation, policy: Policy, schemas: SchemaSet) -> dict[str, Any]:
    responses = {str(outcome.status): _outcome(outcome, policy, schemas) for outcome in operation.outcomes}
    by_status: dict[int, list[Kind]] = {}
    answered = {*_problems_of(operation, policy), *operation.problems}
    for kind in (kind for kind in KINDS if kind in answered):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        content = {
            "schema": schemas.of(ProblemDocument),
            "examples": {kind.slug: _ref("examples", kind.slug) for kind in kinds},
        }
        known = responses.get(str(status))
        if known is not None:
            known["content"][CONTENT_TYPE] = content
            continue
        named = _SCOPE_HEADERS if problems.SCOPE_MISSING in kinds else _PROBLEM_HEADERS.get(status, ())
        responses[str(status)] = {
            "description": "; or: ".join(f"{kind.title} (`{kind.slug}`)" for kind in kinds) + ".",
            "headers": _shared(*named, "X-Request-Id"),
            "content": {CONTENT_TYPE: content},
        }
    return responses


def _problems_of(operation: Operation, policy: Policy) -> list[Kind]:
    kinds = [problems.MALFORMED_REQUEST, HEAD_TOO_LARGE, problems.INTERNAL_ERROR]
    if policy.json:
        kinds.append(problems.NOT_ACCEPTABLE)
    if policy.limit is not Limit.NONE:
        kinds.append(problems.RATE_LIMITED)
    if operation.query is not None or not policy.any_query:  # what takes none refuses any
        kinds.append(problems.INVALID)
    if "{" in operation.path:
        kinds.append(problems.NOT_FOUND)
    kinds += _problems_of_access(policy)
    if policy.idempotent:
        kinds += [problems.KEY_MISSING, problems.IN_PROGRESS, problems.KEY_REUSED, problems.REQUEST_REPLAYED]
    if policy.takes_body:
        kinds += [problems.MALFORMED_BODY, problems.UNSUPPORTED_MEDIA_TYPE, problems.INVALID]
    if policy.no_body:
        kinds += [problems.MALFORMED_BODY, problems.INVALID]
    return kinds


def _problems_of_access(policy: Policy) -> list[Kind]:
    kinds: list[Kind] = []
    if policy.access is Access.PROVIDER:
        kinds += [problems.CALLBACK_REFUSED, problems.MALFORMED_BODY, problems.UNSUPPORTED_MEDIA_TYPE]
        return [*kinds, problems.TOO_SLOW, problems.BODY_TOO_LARGE, problems.UNAVAILABLE]
    if policy.access is not Access.ANONYMOUS:
        kinds += [problems.CREDENTIALS_AMBIGUOUS, problems.UNAUTHENTICATED, problems.TOKEN_REFUSED]
        kinds += [problems.TOKEN_EXPIRED, problems.TOKEN_REVOKED]
    if policy.access is Access.CALLER:
        kinds += [problems.SIGNATURE_REFUSED, problems.ORGANIZATION_FORBIDDEN, problems.INVALID]
        kinds.append(problems.REAUTHENTICATION_REQUIRED)  # of people with a role on the platform, on every route
    if policy.access is Access.OPTIONAL:
        kinds.append(problems.SIGNATURE_REFUSED)
        kinds += [] if policy.method in SAFE else [problems.REQUEST_REPLAYED]
    if policy.access is Access.USER:
        kinds.append(problems.PERSON_REQUIRED)
    if policy.scope is not None:
        kinds.append(problems.SCOPE_MISSING)
    if policy.access is not Access.ANONYMOUS or policy.method not in SAFE:
        kinds += [problems.TOO_SLOW, problems.BODY_TOO_LARGE, problems.UNAVAILABLE]
    if policy.method not in SAFE:
        kinds.append(problems.CSRF_REFUSED)
    if policy.closed:
        kinds += [problems.GUARD_UNAVAILABLE, problems.RATE_LIMITED]
    return kinds


def _outcome(outcome: Outcome, policy: Policy, schemas: SchemaSet) -> dict[str, Any]:
    headers = {name: _header(text) for name, text in outcome.headers.items()} | _shared("X-Request-Id")
    if policy.limit is not Limit.NONE:
        headers |= _shared("RateLimit-Policy", "RateLimit")
    if outcome.status == NO_CONTENT or outcome.bare:
        return {"description": outcome.description, "headers": headers}
    schema = schemas.of(outcome.type) if outcome.type is not None else {"type": "string"}
    content: dict[str, Any] = {"schema": schema}
    others = {
        media_type: {"schema": schema if "json" in media_type else {"type": "string"}} for media_type in outcome.also
    }
    if outcome.examples:
        content["examples"] = _examples(outcome.examples)
    return {"description": outcome.description, "headers": headers, "content": {outcome.media_type: content} | others}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _shared(*names: str) -> dict[str, Any]:
    return {name: _ref("headers", name) for name in names}


def _ref(part: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{part}/{name}"}


def _problem_example(kind: Kind) -> dict[str, Any]:
    field = _FIELD.get(kind.slug)
    document = ProblemDocument(
        type=BASE + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=f"The field {field.field or '(the whole body)'}: {field.message}." if field else kind.title + ".",
        instance="/v1/jobs/019ab2c0-7f00-7000-8000-000000000001",
        request_id=_REQUEST_ID,
        errors=() if field is None else (field,),
    )
    return {"summary": kind.title, "value": msgspec.to_builtins(document)}


def _examples(examples: dict[str, Example]) -> dict[str, Any]:
    return {name: {"summary": example.summary, "value": example.value} for name, example in examples.items()}


def _security(policy: Policy) -> list[dict[str, list[str]]]:
    if policy.access in {Access.ANONYMOUS, Access.PROVIDER}:  # no scheme of OpenAPI says how a provider proves itself
        return []
    scopes = [policy.scope] if policy.scope else []
    cookie = ["AccessCookie"] if policy.method in SAFE else ["AccessCookie", "CsrfToken"]
    people: list[dict[str, list[str]]] = [{"AccessToken": scopes}, dict.fromkeys(cookie, scopes)]
    if policy.access is Access.USER:
        return people
    ways = [{"ApiKey": scopes}, dict.fromkeys([*_SIGNED, "Signature"], scopes), *people]
    return [*ways, {}] if policy.access is Access.OPTIONAL else ways  # {}: nothing at all will do


def _security_schemes() -> dict[str, Any]:
    def key(name: str, description: str, *, place: str = "header") -> dict[str, str]:
        return {"type": "apiKey", "in": place, "name": name, "description": description}

    return {
        "AccessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT (RFC 9068)",
            "description": "A person's access token, from `/v1/auth`.",
        },
        "AccessCookie": key(ACCESS, "The access token in a browser's cookie (`delivery: cookie`).", place="cookie"),
        "CsrfToken": key(CSRF_HEADER, "The `csrf_token` returned when signing in or refreshing."),
        "ApiKey": key("x-api-key", "An API key: `sk_live_` and 49 letters and digits."),
        "SigningKey": key(_SIGNED["SigningKey"], "The id of the signing credential."),
        "SigningTimestamp": key(_SIGNED["SigningTimestamp"], "Unix time in seconds, at most 300 off."),
        "SigningNonce": key(_SIGNED["SigningNonce"], "16 to 64 of `A-Za-z0-9_-`, new for each request."),
        "Signature": key("x-singr-signature", "`v1=` and the hexadecimal HMAC-SHA256; see the introduction."),
    }
