"""Secrets stay unseen."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from singr_config import HoldsSecrets, RedisSettings, Secret, SmtpSettings, mask_secrets

CANARY = "canary-5f3a"


class Holder(msgspec.Struct, frozen=True):
    secret: Secret


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{!r:>20}".format,
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the old form is one of the ways a secret could leak
        lambda secret: repr(Holder(secret)),
        lambda secret: repr(RedisSettings(url=secret)),
        lambda secret: msgspec.json.encode(Holder(secret), enc_hook=mask_secrets).decode(),
        lambda secret: repr({secret: [secret]}),
    ],
)
def test_a_secret_is_masked_wherever_it_is_shown(show: Callable[[Secret], str]):
    shown = show(Secret(CANARY))
    assert CANARY not in shown
    assert "***" in shown


def test_an_empty_secret_says_that_it_is_empty():
    assert not Secret("")
    assert str(Secret("")) == ""
    assert repr(Secret("")) == "Secret('')"


def test_reveal_gives_the_text_back():
    assert Secret(CANARY).reveal() == CANARY


def test_secrets_compare_by_their_text_and_only_with_secrets():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("\udcff") == Secret("\udcff")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_secret_does_not_change_and_copies_are_itself():
    secret = Secret(CANARY)
    with pytest.raises(AttributeError):
        secret._text = "other"
    with pytest.raises(AttributeError):
        del secret._text
    assert copy.deepcopy(secret) is copy.copy(secret) is secret


def test_a_secret_leaves_the_process_neither_pickled_nor_encoded():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        msgspec.json.encode(Holder(Secret(CANARY)))
    with pytest.raises(NotImplementedError):
        mask_secrets(object())


class Keys(HoldsSecrets, frozen=True):
    name: str
    secret: Secret
    more: tuple[Secret, ...] = ()
    perhaps: Secret | None = None


def test_plain_text_in_a_field_for_secrets_is_masked_and_works() -> None:
    plain: Any = CANARY
    keys = Keys("shown", plain, (plain, Secret(CANARY)), plain)
    assert CANARY not in repr(keys)
    assert keys.secret == keys.more[0] == keys.perhaps == Secret(CANARY)
    assert keys.name == "shown"
    assert CANARY not in repr(msgspec.structs.replace(keys, secret=plain))


def test_section_given_a_plain_text_shows_nothing_of_it() -> None:
    plain: Any = CANARY
    assert CANARY not in repr(SmtpSettings(password=plain))
    assert CANARY not in repr(RedisSettings(url=plain))
