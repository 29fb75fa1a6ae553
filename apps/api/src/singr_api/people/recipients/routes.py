"""People whom an organization reaches: put, import, list, read, take off."""

from typing import Any, Final

from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.form.validation import encode
from singr_api.http.problems import CONFLICT, NOT_FOUND
from singr_api.people.recipients.schemas import Erasing, ImportRecipients, RecipientPage, RecipientQuery
from singr_api.people.shared import DAILY, IN_PATH, checked_id
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.people import (
    Imported,
    RecipientInput,
    RecipientView,
    erase_recipient,
    import_recipients,
    list_recipients,
    put_recipient,
    read_recipient,
    remove_recipient,
)
from singr_db import TenantSession

recipients = Section("Recipients", access=Access.CALLER, scope="notifications:read")
_GIVEN: Final[dict[str, Any]] = {
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "phone": "+15555550100",
    "locale": "de-AT",
    "time_zone": "Europe/Vienna",
    "tags": ["newsletter"],
    "quiet_hours": {"from": "22:00", "to": "07:30"},
    "digest": {"at": "08:00", "weekday": 1},
}
_SHOWN: Final[dict[str, Any]] = _GIVEN | {
    "id": "019ab2c0-7f00-7000-8000-0000000000d1",
    "external_id": "u-17",
    "user_id": None,
    "email": "a***@example.org",
    "phone": "+1******0100",
    "quiet_hours": {"from": "22:00", "to": "07:30", "days": None},
    "created_at": "2026-11-27T12:00:00Z",
    "updated_at": "2026-11-27T12:00:00Z",
}
JOB: Final = "019ab2c0-7f00-7000-8000-0000000000f1"
_CHANGES: Final[dict[str, Any]] = {
    "scope": "notifications:write",
    "query": OrganizationQuery,
    "one_factor": DAILY,
}
_ONE: Final = "/v1/recipients/{external_id}"


@recipients.route(
    f"PUT {_ONE}",
    "putRecipient",
    Answer("The person as stored.", of=RecipientView),
    Answer("Created.", of=RecipientView, status=201),
    body_examples={"person": Example("All fields", _GIVEN)},
    problems=(CONFLICT,),
    **IN_PATH,
    **_CHANGES,
)
async def put(session: TenantSession, services: Services, external_id: str, body: RecipientInput) -> Reply:
    """Create or replace a person whom the organization reaches.

    Identified by the organization's own id. Replaces the whole record: a field left out is removed. A member of the
    organization can be linked by `user_id`; name and address, if left out, are then taken from the account, but the
    phone number is not. What was taken from the account follows it when the person changes it there, and is removed
    when they delete the account; what you send yourself stays. Address, number and name are encrypted with a key of
    the person's own, and shown masked.

    Time zone, quiet hours and digest time that the person set with `PUT /v1/me/times` stay when the request leaves them
    out. A value that you send wins, and is yours from then on.

    When the account's membership ends, `user_id` becomes null: the person stays, with inbox and history, and nothing is
    told by the account any more. Leave `user_id` out from then on; naming it is refused (422).

    A newly linked account sees in its inbox what arrives from then on. Earlier items are shown only if the person has
    had the account's own verified address since they were created, or if the account was linked before and nothing has
    arrived since.

    Changing the account makes this another person, with a new `id`: the devices, inbox and choices of the previous
    person are deleted, while topics and what the organization chose for the external id stay.
    A table of your own in Singr's database that refers to the previous person prevents it (409, which names the table),
    unless its foreign key has `ON DELETE`.
    """
    view, is_new = await put_recipient(
        session,
        checked_id(external_id, new=True),
        body,
        sealer=services.sealer,
        directory=services.directory,
        allow_test=services.allow_test,
    )
    return Reply(201 if is_new else 200, encode(view))


@recipients.route(
    "POST /v1/recipients/import",
    "importRecipients",
    Answer("Stored.", done=Example("Done", {"created": 2, "updated": 1})),
    body_examples={"people": Example("One", {"recipients": [{"external_id": "u-17", "email": "a@example.org"}]})},
    problems=(CONFLICT,),
    idempotent=True,
    **_CHANGES,
)
async def import_many(session: TenantSession, services: Services, body: ImportRecipients) -> Imported:
    """Import people.

    Up to 1,000 at once, each handled like a `PUT`: either all of them are stored or, if anything is wrong with one,
    none. All errors are reported together by path, such as `recipients[3].phone`.
    """
    return await import_recipients(
        session,
        body.recipients,
        sealer=services.sealer,
        directory=services.directory,
        allow_test=services.allow_test,
    )


@recipients.route("GET /v1/recipients", "listRecipients", page_with(_SHOWN))
async def index(session: TenantSession, services: Services, query: RecipientQuery) -> RecipientPage:
    """List the people whom the organization reaches.

    Newest first; addresses are masked.
    """
    page = await list_recipients(
        session,
        sealer=services.sealer,
        tag=query.tag,
        topic=query.topic,
        address=query.address,
        user_id=query.user_id,
        locale=query.locale,
        limit=query.limit,
        cursor=query.cursor,
    )
    return RecipientPage.of(page)


@recipients.route(
    f"GET {_ONE}",
    "readRecipient",
    Answer("The person.", person=Example("A person", _SHOWN)),
    query=OrganizationQuery,
    problems=(NOT_FOUND,),
    **IN_PATH,
)
async def read(session: TenantSession, services: Services, external_id: str) -> RecipientView:
    """Read a person whom the organization reaches."""
    return await read_recipient(session, checked_id(external_id), sealer=services.sealer)


@recipients.route(
    f"POST {_ONE}/erase",
    "eraseRecipient",
    Answer("The person's key is destroyed.", status=202, erased=Example("Erased", {"job_id": JOB})),
    query=OrganizationQuery,
    problems=(NOT_FOUND, CONFLICT),
    scope="organization:write",
    idempotent=True,
    **IN_PATH,
)
async def erase(session: TenantSession, services: Services, external_id: str) -> Erasing:
    """Erase a person.

    From now on nobody can read their name, addresses and devices, or send what is waiting for them; devices, topics and
    choices are deleted. The job then blanks what is left in the delivery log, including messages that named only their
    address. Fingerprints of addresses that must not be written to are kept, so that they stay suppressed; so are those
    for which the person ended a category themselves. This cannot be undone. People who were removed can be erased as
    well. Schedules and jobs that name an address themselves, in place of this recipient, are your organization's own,
    and go on: look through `GET /v1/schedules`, and delete what names the address (`DELETE /v1/schedules/{id}`); cancel
    what is pending of it (`GET /v1/jobs?type=email.send&status=pending`, `POST /v1/jobs/{id}/cancel`).

    A table of your own in Singr's database that still refers to them keeps them from being erased (409, which names the
    table), unless its foreign key has `ON DELETE`.
    """
    return Erasing(job_id=await erase_recipient(session, checked_id(external_id), sealer=services.sealer))


@recipients.route(
    f"DELETE {_ONE}", "removeRecipient", Answer("Deleted."), problems=(NOT_FOUND, CONFLICT), **IN_PATH, **_CHANGES
)
async def remove(session: TenantSession, external_id: str) -> None:
    """Remove a person.

    Also removes their devices, topics and choices; categories that they switched off themselves stay suppressed for
    their addresses, also when they are added again. What is waiting or scheduled for them is not sent any more: it ends
    as `suppressed` with the code `erased`. What a provider has accepted already still arrives. The delivery log keeps
    its entries for their retention period: to delete all data about a person, erase them.

    A table of your own in Singr's database that still refers to them keeps them from being removed (409, naming the
    table), unless its foreign key has `ON DELETE`.
    """
    await remove_recipient(session, checked_id(external_id))
