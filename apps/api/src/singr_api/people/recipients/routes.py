"""People whom an organization reaches: put, import, list, read, take off."""

from typing import Any, Final

from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND
from singr_api.http.validation import encode
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
    Answer("As they are now.", of=RecipientView),
    Answer("New.", of=RecipientView, status=201),
    body_examples={"person": Example("Everything", _GIVEN)},
    **IN_PATH,
    **_CHANGES,
)
async def put(session: TenantSession, services: Services, external_id: str, body: RecipientInput) -> Reply:
    """Keep a person whom the organization reaches.

    By the organization's own id, as a whole: a field left out is removed. A member of the organization may be named
    by `user_id`; name and address that are left out are then the account's, a number is not. Address, number and name
    are sealed with a key of the person's own, and shown masked.

    Another account makes it another person, with an `id` of their own: the former one's devices, inbox and choices go,
    and their topics, and what the organization chose for the id, stay.
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
    Answer("Kept.", done=Example("Done", {"created": 2, "updated": 1})),
    body_examples={"people": Example("One", {"recipients": [{"external_id": "u-17", "email": "a@example.org"}]})},
    idempotent=True,
    **_CHANGES,
)
async def import_many(session: TenantSession, services: Services, body: ImportRecipients) -> Imported:
    """Keep many people.

    1,000 at most, each as a `PUT` keeps one: all of them, or, where something is wrong with any, none. All that is
    wrong is told at once, by its path, such as `recipients[3].phone`.
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
    Answer("Them.", person=Example("A person", _SHOWN)),
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
    Answer("Their key is destroyed.", status=202, erased=Example("Erased", {"job_id": JOB})),
    query=OrganizationQuery,
    problems=(NOT_FOUND,),
    scope="organization:write",
    idempotent=True,
    **IN_PATH,
)
async def erase(session: TenantSession, services: Services, external_id: str) -> Erasing:
    """Forget a person.

    At once nobody opens their name, addresses and devices any more, nor sends what waits for them; devices, topics and
    choices are gone. The job then blanks what is left in the log of deliveries, also of messages that named only their
    address. Fingerprints of addresses that want nothing more are kept, so that nobody writes to them again. There is
    no way back. Who was taken off the list can be erased as well.
    """
    return Erasing(job_id=await erase_recipient(session, checked_id(external_id), sealer=services.sealer))


@recipients.route(f"DELETE {_ONE}", "removeRecipient", Answer("Gone."), problems=(NOT_FOUND,), **IN_PATH, **_CHANGES)
async def remove(session: TenantSession, external_id: str) -> None:
    """Take a person off the list.

    With their devices, topics and what they chose. What is on its way to them still goes, and the log of deliveries
    keeps what it has for its time: to forget somebody, erase them.
    """
    await remove_recipient(session, checked_id(external_id))
