"""Documentation of the routes of API keys and service credentials."""

from typing import Any, Final

from singr_api.http import problems
from singr_api.http.fields import OrganizationQuery
from singr_api.organizations.credentials.schemas import (
    CreateCredential,
    CredentialPage,
    CredentialQuery,
    CredentialView,
    IntrospectKey,
    NewCredentialView,
    RotateCredential,
)
from singr_api.routing.operations import Example, Operation, Outcome
from singr_auth.accounts import KeyIntrospection
from singr_auth.accounts.organizations import Revoked

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_KEY_ID: Final = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_]+$"}
_REPLAYED: Final = {"Idempotency-Replayed": "`true` where this is the first answer to the key, given again to you."}
_REVOKED: Final = Example(
    "Of a key that was rotated by a person, and had made one",
    {
        "revoked_credentials": [
            {"key_id": "ak_2Zb7Kc0pQe9Rt4Uv1", "name": "Till", "kind": "api_key"},
            {"key_id": "ak_8Wd3Hf6sLk1Mn5Jq0", "name": "Printer", "kind": "api_key"},
        ],
        "kept_credentials": [{"key_id": "ak_5Tn3Xw8yLm1Po6Qr2", "name": "Till", "kind": "api_key"}],
        "revoked_invitations": [{"id": "019ab2c0-7f00-7000-8000-0000000000b1", "email": "grace@example.org"}],
        "cancelled_jobs": 2,
    },
)


def _operations(
    path: str, tag: str, noun: str, words: tuple[str, str], example: dict[str, Any]
) -> tuple[Operation, ...]:
    singular, plural = words
    listed: dict[str, Any] = {
        "key_id": example["key_id"],
        "name": "Till",
        "organization_id": _ORGANIZATION,
        "scopes": ["jobs:write", "notifications:write"],
        "status": "in_force",
        "created_at": "2026-11-22T12:00:00Z",
        "created_by": "user:019ab2c0-7f00-7000-8000-0000000000a1",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": "2026-11-22T12:30:00Z",
        "replaced_by": None,
        "holder": "person",
        "holder_id": "019ab2c0-7f00-7000-8000-0000000000a1",
        "effective_scopes": ["jobs:write", "notifications:write"],
    }
    return (
        Operation(
            method="GET",
            path=path,
            tag=tag,
            name=f"list{noun}s",
            summary=f"List {plural}",
            description="Newest first, whatever their state, with their last use; never a secret.",
            query=CredentialQuery,
            outcomes=(
                Outcome(
                    200,
                    "A page.",
                    CredentialPage,
                    examples={"one": Example("One", {"items": [listed], "next_cursor": None})},
                    headers={"Link": 'The next page, `rel="next"`; absent on the last.'},
                ),
            ),
        ),
        Operation(
            method="POST",
            path=path,
            tag=tag,
            name=f"create{noun}",
            summary=f"Make a {singular}",
            description=(
                "The secret is shown here and never again; a repeat of this very request is given it once more. It may"
                " do no more than you, and where you are a credential yourself it lives no longer. `expires_at` lies"
                " ten years ahead at most. Owners are told. It outlives your session, so that one has to have proved"
                " the second factor, where one is on.\n\nYou hold it: at no moment does it do more than you may"
                " then, and it is revoked when you leave. For a program that is to outlive people, an owner makes it"
                " with `holder: organization`."
            ),
            query=OrganizationQuery,
            body=CreateCredential,
            body_examples={
                "till": Example(
                    "For a till",
                    {"name": "Till", "scopes": ["jobs:write", "notifications:write"], "holder": "organization"},
                )
            },
            outcomes=(
                Outcome(
                    201,
                    "Made.",
                    NewCredentialView,
                    examples={"made": Example("With its secret", example)},
                    headers=_REPLAYED,
                ),
            ),
            problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT, problems.NOT_FOUND),
        ),
        Operation(
            method="GET",
            path=path + "/{key_id}",
            tag=tag,
            name=f"read{noun}",
            summary=f"Read a {singular}",
            description="Whatever its state, with its last use; never its secret.",
            path_schemas={"key_id": _KEY_ID},
            query=OrganizationQuery,
            outcomes=(Outcome(200, "It.", CredentialView, examples={"one": Example("One", listed)}),),
        ),
        Operation(
            method="POST",
            path=path + "/{key_id}/rotate",
            tag=tag,
            name=f"rotate{noun}",
            summary=f"Replace a {singular}",
            description=(
                "Makes a successor with the same name, scopes and length of life. The old one is taken for"
                " `overlap_seconds` more, 24 hours unless told; with 0 it is refused within a second. Whoever is given"
                " the secret holds the successor; one of the organization itself is for owners to rotate, and for"
                " itself. A session has to have proved the second factor, where one is on."
            ),
            path_schemas={"key_id": _KEY_ID},
            query=OrganizationQuery,
            body=RotateCredential,
            body_examples={"hour": Example("One hour to change over", {"overlap_seconds": 3600})},
            outcomes=(
                Outcome(
                    201,
                    "The successor.",
                    NewCredentialView,
                    examples={"made": Example("With its secret", {**example, "replaces": "ak_2Zb7Kc0pQe9Rt4Uv1"})},
                    headers=_REPLAYED,
                ),
            ),
            problems=(problems.NOT_ALLOWED, problems.REAUTHENTICATION_REQUIRED, problems.CONFLICT),
        ),
        Operation(
            method="DELETE",
            path=path + "/{key_id}",
            tag=tag,
            name=f"revoke{noun}",
            summary=f"Revoke a {singular}",
            description=(
                "It is refused everywhere within a second, and so are those whose place it took, and credentials that"
                " any of them made, a successor by itself among them. A successor that a person made stays, or another"
                " program that is trusted on. Open invitations that they sent are revoked. Jobs that they asked for,"
                " and whose time has not come, are cancelled, unless a successor stays. The answer says what went, and"
                " which successors stay."
            ),
            path_schemas={"key_id": _KEY_ID},
            query=OrganizationQuery,
            outcomes=(Outcome(200, "What went, and what stays.", Revoked, examples={"rotated": _REVOKED}),),
            problems=(problems.CONFLICT,),
        ),
    )


OPERATIONS: Final = (
    *_operations(
        "/v1/api-keys",
        "API keys",
        "ApiKey",
        ("key", "API keys"),
        {
            "key_id": "ak_5Tn3Xw8yLm1Po6Qr2",
            "name": "Till",
            "secret": "sk_live_" + "0" * 49,
            "organization_id": _ORGANIZATION,
            "scopes": ["jobs:write", "notifications:write"],
            "expires_at": None,
            "replaces": None,
            "holder": "person",
        },
    ),
    *_operations(
        "/v1/service-credentials",
        "Service credentials",
        "ServiceCredential",
        ("service credential", "service credentials"),
        {
            "key_id": "sg_5Tn3Xw8yLm1Po6Qr2",
            "name": "Till",
            "secret": "0" * 43,
            "organization_id": _ORGANIZATION,
            "scopes": ["jobs:write", "notifications:write"],
            "expires_at": None,
            "replaces": None,
            "holder": "person",
        },
    ),
    Operation(
        method="POST",
        path="/v1/introspect",
        tag="API keys",
        name="introspectApiKey",
        summary="Ask what an API key is worth",
        description=(
            "For services that are called with API keys of Singr: RFC 7662, as a form. A key that is unknown, revoked,"
            ' expired, or of another organization than yours is answered `{"active": false}`, and nothing tells which.'
            " `scope` is what the key may do at this moment. Remember an answer for a few seconds, no longer:"
            " a key that is revoked is refused here within one. `singr_auth` has this ready for Python."
        ),
        body=IntrospectKey,
        body_form=True,
        body_examples={"key": Example("A key", {"token": "sk_live_" + "0" * 49})},
        outcomes=(
            Outcome(
                200,
                "What it is worth.",
                KeyIntrospection,
                examples={
                    "active": Example(
                        "In force",
                        {
                            "active": True,
                            "scope": "jobs:read jobs:write",
                            "client_id": "ak_5Tn3Xw8yLm1Po6Qr2",
                            "token_type": "api_key",
                            "organization_id": _ORGANIZATION,
                        },
                    ),
                    "inactive": Example("Worth nothing", {"active": False}),
                },
            ),
        ),
        problems=(problems.UNSUPPORTED_MEDIA_TYPE, problems.INVALID),
    ),
)
