"""Devices that get pushes: of people whom an organization reaches, and one's own."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import UserCall, answer
from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.form.validation import encode
from singr_api.http.problems import NOT_FOUND
from singr_api.people.devices.schemas import DeviceList
from singr_api.people.shared import DAILY, IN_PATH, MyQuery, checked_id, my_organization
from singr_api.routing.operations import Example
from singr_api.routing.rehearsing import undoable, undone_in_rehearsals
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.people import (
    DeviceInput,
    DeviceView,
    RecipientNotFoundError,
    list_devices,
    member_reached,
    recipient_named,
    recipient_of_member,
    register_device,
    remove_device,
)
from singr_db import TenantSession

devices = Section("Devices", access=Access.CALLER, scope="notifications:read", problems=(NOT_FOUND,))
own = Section("Me", access=Access.USER, problems=(NOT_FOUND,))
_GIVEN: Final[dict[str, Any]] = {
    "phone": Example("A phone", {"token": "bk3RNwTe3H0:CI2k_HHwgIpoDKC", "platform": "ios"})
}
_SHOWN: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e1",
    "token": "device …oDKC",
    "platform": "ios",
    "locale": None,
    "time_zone": None,
    "created_at": "2026-11-27T12:00:00Z",
    "last_used_at": "2026-11-27T12:00:00Z",
    "off_at": None,
    "off_reason": None,
}
_ANSWERS: Final = (Answer("Registered again.", of=DeviceView), Answer("Registered.", of=DeviceView, status=201))
_CHANGES: Final[dict[str, Any]] = {
    "scope": "notifications:write",
    "query": OrganizationQuery,
    "one_factor": DAILY,
}
_ALL: Final = "/v1/recipients/{external_id}/devices"
_MINE: Final = "/v1/me/push-devices"


@devices.route(
    f"POST {_ALL}", "registerPushDevice", *_ANSWERS, body_examples=_GIVEN, idempotent=True, **IN_PATH, **_CHANGES
)
async def register(session: TenantSession, services: Services, external_id: str, body: DeviceInput) -> Reply:
    """Register a person's device.

    A token belongs to the person who registered it last: the previous owner gets nothing on it from then on. A device
    that its provider had disabled is enabled again.
    """
    person = await recipient_named(session, checked_id(external_id))
    view, is_new = await register_device(session, person, body, sealer=services.sealer)
    return Reply(201 if is_new else 200, encode(view))


@devices.route(
    f"GET {_ALL}",
    "listPushDevices",
    Answer("The devices.", one=Example("One", {"items": [_SHOWN]})),
    query=OrganizationQuery,
    **IN_PATH,
)
async def index(session: TenantSession, external_id: str) -> DeviceList:
    """List a person's devices.

    Most recently used first, including disabled ones.
    """
    return DeviceList(await list_devices(session, await recipient_named(session, checked_id(external_id))))


@devices.route(f"DELETE {_ALL}/{{device_id}}", "removePushDevice", Answer("Deleted."), **IN_PATH, **_CHANGES)
async def remove(session: TenantSession, external_id: str, device_id: UUID) -> None:
    """Remove a person's device."""
    await remove_device(session, await recipient_named(session, checked_id(external_id)), device_id)


@own.route(f"POST {_MINE}", "registerMyPushDevice", *_ANSWERS, body_examples=_GIVEN)
@undoable
async def register_mine(services: Services, call: UserCall, query: MyQuery, body: DeviceInput) -> Any:
    """Register your own device for push notifications.

    For one organization: the one that reaches you, or that you are a member of; if there are several, name it. A token
    belongs to the person who registered it last. The device is removed when you leave the organization, or when the
    organization's recipient is no longer linked to your account.
    """
    organization_id = await my_organization(services, call, query.organization_id)
    async with undone_in_rehearsals(services.db.tenant(organization_id)) as session:
        person = await member_reached(session, call.user_id, sealer=services.sealer, directory=services.directory)
        view, is_new = await register_device(session, person, body, sealer=services.sealer, is_own=True)
    return answer(view, status=201 if is_new else 200)


@own.route(f"GET {_MINE}", "listMyPushDevices", Answer("The devices."))
async def mine(services: Services, call: UserCall, query: MyQuery) -> DeviceList:
    """List your own push devices."""
    organization_id = await my_organization(services, call, query.organization_id)
    async with services.db.tenant(organization_id) as session:
        try:
            person = await recipient_of_member(session, call.user_id)
        except RecipientNotFoundError:  # a member, whom it does not reach
            return DeviceList(())
        return DeviceList(await list_devices(session, person))


@own.route(f"DELETE {_MINE}/{{device_id}}", "removeMyPushDevice", Answer("Deleted."))
async def remove_mine(services: Services, call: UserCall, query: MyQuery, device_id: UUID) -> None:
    """Remove one of your push devices."""
    organization_id = await my_organization(services, call, query.organization_id)
    async with services.db.tenant(organization_id) as session:
        person = await recipient_of_member(session, call.user_id)
        await remove_device(session, person, device_id)
