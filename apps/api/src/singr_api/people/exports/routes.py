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
_ANSWER: Final = Answer("The export is being written.", status=202, asked=Example("Requested", _JOB))


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
    """Export everything that is kept about a person.

    A job writes one JSON file: addresses in clear, devices, topics, choices, suppressions, the inbox, and each message
    with its text, as long as that is kept, its attempts and the providers' reports. Messages with a code or a sign-in
    link are listed without their text; other messages have the text that they were sent with, including your own
    wording, and inbox and digests have the type's text. Messages sent while your id belonged to another account are not
    included. The link is sent only to the person's own e-mail address, that of their account if they have one (409 if
    neither), in their language, and works for three days; after that, or when the person is erased, the file is
    deleted. For 24 hours after the recipient was given another address or account, or was added again after being
    removed, 429: whoever asks for an export must not be able to read it. For the same reason, messages that named an
    address and no recipient are included only if it is the address that the link goes to, or the account's phone
    number: not those to another number, device or address that you gave the recipient. One export at a time per
    person: 429 until it is deleted, unless the link was not delivered, or the person has had another address for 24
    hours. Within 24 hours, one link goes to a mailbox (its address, whatever `+tag` it has), whichever of your
    recipients have it, a few go there from all organizations (`EXPORTS_ADDRESS_LIMIT_MAX`), and your organization has a
    limit (`EXPORTS_DAILY_LIMIT_MAX`): 429, with `Retry-After`. 409 if the address is dead, or if its reader has
    complained of your messages or of an export.
    """
    _needs_objects(services)
    limits, sealer = services.export_limits, services.sealer
    return Exporting(job_id=await ask_export(session, checked_id(external_id), sealer=sealer, limits=limits))


@own.route(
    "POST /v1/me/export",
    "exportMe",
    _ANSWER,
    problems=(NOT_FOUND, REAUTHENTICATION_REQUIRED, RATE_LIMITED, UNAVAILABLE),
)
async def export_me(services: Services, call: UserCall, query: MyQuery) -> Exporting:
    """Export everything that is kept about you.

    Your account (profile, organizations, invitations, sessions, devices, passkeys, factors, events, credentials and
    messages sent to it), and what the organization that reaches you keeps: if there are several, name it. Messages of
    the organization that named only an address are included if it is your account's address or phone number. The link
    is sent to your account's e-mail address, and works for three days. Requires a proof of presence at most 15 minutes
    old. One export at a time: 429 until it is deleted, and for 24 hours after the organization has linked the recipient
    to your account, or added it again.
    """
    _needs_objects(services)
    await services.accounts.reauthentication.require_recent(call.session_id)
    named = query.organization_id
    organization_id = await my_organization(services, call, named, otherwise=PLATFORM_ORGANIZATION_ID)
    async with services.db.tenant(organization_id) as session:
        return Exporting(job_id=await ask_my_export(session, call.user_id))
