"""Everything that is kept about a person, written out for them: asked for by the organization, or by themselves."""

from typing import Final

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import (
    CONFLICT,
    NOT_FOUND,
    RATE_LIMITED,
    REAUTHENTICATION_REQUIRED,
    UNAVAILABLE,
    no_object_store,
)
from singr_api.people.exports.schemas import Exporting
from singr_api.people.shared import IN_PATH, MyQuery, checked_id, my_organization
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.people import ask_export, ask_my_export
from singr_db import PLATFORM_ORGANIZATION_ID, TenantSession

exports = Section("Recipients", access=Access.CALLER, scope="organization:write")
own = Section("Me", access=Access.USER)
_JOB: Final = {"job_id": "019ab2c0-7f00-7000-8000-0000000000f2"}
_ANSWER: Final = Answer("It is being written.", status=202, asked=Example("Asked for", _JOB))


def _needs_objects(services: Services) -> None:
    if not services.has_objects:
        raise no_object_store("to which it could be written")


@exports.route(
    "POST /v1/recipients/{external_id}/export",
    "exportRecipient",
    _ANSWER,
    query=OrganizationQuery,
    problems=(NOT_FOUND, CONFLICT, RATE_LIMITED, UNAVAILABLE),
    idempotent=True,
    **IN_PATH,
)
async def export(session: TenantSession, services: Services, external_id: str) -> Exporting:
    """Give a person everything that is kept about them.

    A job writes it into one JSON file: addresses in clear, devices, topics, choices, what holds messages back, their
    inbox, and each message with its words, while they are kept, its attempts and what providers said. What carries a
    code or a link to sign in is named without its words; messages have those that they were sent with, your own too,
    and the inbox and digests those of the type. What was sent while your id was another account's is not told. The link
    goes to the person's own e-mail address and to nobody else (409 where they have none), in their language, and works
    for three days; then, or when they are erased, the file is deleted. One at a time for each person: 429 until it is
    gone, unless the link did not come, or they have another address by now.
    """
    _needs_objects(services)
    return Exporting(job_id=await ask_export(session, checked_id(external_id)))


@own.route(
    "POST /v1/me/export",
    "exportMe",
    _ANSWER,
    problems=(NOT_FOUND, REAUTHENTICATION_REQUIRED, RATE_LIMITED, UNAVAILABLE),
)
async def export_me(services: Services, call: UserCall, query: MyQuery) -> Exporting:
    """Get everything that is kept about you.

    That is your account (profile, organizations, invitations, sessions, devices, passkeys, factors, events, credentials
    and messages that it was sent), and what the organization that reaches you keeps: where there are several, name it.
    The link goes to your account's e-mail address, and works for three days. Needs a proof of presence that is at most
    15 minutes old. One at a time: 429 until it is gone.
    """
    _needs_objects(services)
    await services.accounts.reauthentication.require_recent(call.session_id)
    named = query.organization_id
    organization_id = await my_organization(services, call, named, otherwise=PLATFORM_ORGANIZATION_ID)
    async with services.db.tenant(organization_id) as session:
        return Exporting(job_id=await ask_my_export(session, call.user_id))
