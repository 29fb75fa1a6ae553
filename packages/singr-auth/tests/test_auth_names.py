"""Names that people choose can be seen, and none is taken for another."""

# ruff: noqa: RUF001 — letters that look alike are what is tested

import pytest
from organizations_support import House, acting

from singr_auth.accounts import ConflictError, InvalidValueError
from singr_auth.accounts.people._users import checked_name
from singr_config.constants import RESERVED_SLUGS

INVISIBLE = ["\u200b", "\u2060", "\ufeff", "\u3164", "\u115f", "\u2800", "\u0301", "\U000e0041", "\u00ad \u034f"]


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
def test_name_that_nobody_can_see_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="name must hold at least one visible character"):
        checked_name(name)


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
async def test_role_that_nobody_can_see_is_refused(house: House, name: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    with pytest.raises(InvalidValueError, match="visible"):
        await house.custom_role(organization, owner, name, "venues:read")


@pytest.mark.parametrize("name", ["Admin", "API", "null", "Sign in", "ＡＰＩ", "singr"])
async def test_reserved_slug_is_not_given(house: House, name: str) -> None:
    owner = await house.person()
    async with house.db.platform() as session:
        made = await house.organizations.create(session, user_id=owner, name=name)
    assert made.organization.slug not in RESERVED_SLUGS
    assert made.organization.name == name


LOOK_ALIKES = [
    "STAFF",
    "s t a f f",
    "staff\u200b",
    "ѕtаff",
    "ｓｔａｆｆ",
    "𝐬𝐭𝐚𝐟𝐟",
    "sta\ufb00",
    "s-t-a-f-f",
    "st\u034faff",
    "staff.",
    "«staff»",
    "st·aff",
]


@pytest.mark.parametrize("name", LOOK_ALIKES, ids=ascii)
async def test_role_that_looks_like_another_is_refused(house: House, name: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    first = await house.custom_role(organization, owner, "Staff", "venues:read")
    with pytest.raises(ConflictError, match="looks the same"):
        await house.custom_role(organization, owner, name, "venues:read")
    other = await house.custom_role(organization, owner, "Door", "venues:read")
    async with house.db.tenant(organization) as session:
        with pytest.raises(ConflictError, match="looks the same"):
            await house.roles.change(session, organization, other, name=name, actor=acting(owner))
        renamed = await house.roles.change(session, organization, first, name=name, actor=acting(owner))
    assert renamed.role.name == name.strip()


LIKE_A_SYSTEM_ROLE = [
    "customer_owner\u200b",
    "Customer Owner",
    "сustomer_owner",
    "ADMІN",
    "s inger",
    "customer.owner",
    "customer_owner.",
    "customer·owner",
    "customer/owner",
    "customer+owner",
    "customer_owner\u0301",
    "cüstomer_owner",
]


@pytest.mark.parametrize("name", LIKE_A_SYSTEM_ROLE, ids=ascii)
async def test_role_that_looks_like_a_system_role_is_refused(house: House, name: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    with pytest.raises(InvalidValueError, match="system role"):
        await house.custom_role(organization, owner, name, "venues:read")


@pytest.mark.parametrize("name", ["Stäff", "Stuff", "日本", "कि", "का", "mall", "tier 2"])
async def test_roles_that_look_different_stand_side_by_side(house: House, name: str) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    for other in ("Staff", "कु", "mail", "tier 1"):
        await house.custom_role(organization, owner, other, "venues:read")
    assert await house.custom_role(organization, owner, name, "venues:read")


async def test_names_of_nothing_but_punctuation_are_told_apart_and_marks_make_other_words(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    for name in ("!!!", "???", "Tur", "Tür"):
        await house.custom_role(organization, owner, name, "venues:read")
