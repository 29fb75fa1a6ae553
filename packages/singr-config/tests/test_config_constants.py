"""Constants hold together."""

import pytest

from singr_config import constants


def test_roles_have_permissions_that_exist():
    assert set(constants.ROLE_PERMISSIONS) == set(constants.ROLES)
    for permissions in constants.ROLE_PERMISSIONS.values():
        assert permissions <= set(constants.PERMISSIONS)


def test_every_permission_is_a_resource_and_an_action():
    for name, description in constants.PERMISSIONS.items():
        resource, action = name.split(":")
        assert resource
        assert action in {"read", "write", "delete", "revoke", "process", "introspect"}
        assert description


def test_no_customer_or_singer_operates_the_platform():
    for role, permissions in constants.ROLE_PERMISSIONS.items():
        if role.startswith(("customer_", "singer")):
            assert not {name for name in permissions if name.startswith("operations:")}


def test_lower_customer_roles_have_no_more_rights_than_higher_ones():
    rights = constants.ROLE_PERMISSIONS
    assert rights["customer_staff"] < rights["customer_manager"] < rights["customer_owner"] < rights["admin"]


def test_the_numbers_are_those_of_the_product():
    assert constants.API_KEY_PREFIX == "sk_live_"
    assert (constants.ARGON2.memory_kib, constants.ARGON2.time_cost, constants.ARGON2.parallelism) == (19_456, 2, 1)
    assert (constants.RATE_LIMITS.sign_in.limit, constants.RATE_LIMITS.sign_in.window) == (5, 60)
    assert constants.RATE_LIMITS.two_factor_verify == constants.RateLimit(10, 900)
    assert constants.TOKEN_LIFETIMES.invitation == 604_800
    assert (constants.PAGINATION.default, constants.PAGINATION.most, constants.PAGINATION.most_users) == (20, 100, 50)
    retry = constants.COMMUNICATION_RETRY
    assert [retry.first_delay * retry.factor**attempt for attempt in range(retry.attempts)] == [1, 2, 4]


def test_constants_do_not_change():
    with pytest.raises(TypeError):
        constants.PERMISSIONS["x:read"] = ""
    with pytest.raises(AttributeError):
        constants.ARGON2.memory_kib = 1
