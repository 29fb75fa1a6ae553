"""Keys in PEM."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from singr_config import ConfigurationError
from singr_config.testing import settings_for_tests


def problems_of(private: str, public: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        settings_for_tests(JWT_PRIVATE_KEY=private, JWT_PUBLIC_KEY=public)
    assert private[40:80].strip() not in str(caught.value)
    return {problem.variable: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("write", [str, lambda pem: pem.replace("\n", "\\n"), lambda pem: pem.replace("\n", "\r\n")])
@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_a_pair_is_read_with_real_or_written_newlines(
    make_pair: Callable[..., tuple[str, str]], write: Callable[[str], str], form: serialization.PrivateFormat
):
    private, public = make_pair(form=form)
    jwt = settings_for_tests(JWT_PRIVATE_KEY=write(private), JWT_PUBLIC_KEY=write(public)).jwt
    assert jwt.private_key.reveal() == private
    assert jwt.public_key == public
    serialization.load_pem_private_key(jwt.private_key.reveal().encode(), None)


def test_keys_of_two_pairs_are_refused(make_pair: Callable[..., tuple[str, str]], pair: tuple[str, str]):
    assert "JWT_PUBLIC_KEY" in problems_of(make_pair()[0], pair[1])


def test_one_key_without_the_other_is_refused(pair: tuple[str, str]):
    assert set(problems_of(pair[0], "")) == {"JWT_PUBLIC_KEY"}
    with pytest.raises(ConfigurationError, match="JWT_PRIVATE_KEY"):
        settings_for_tests(JWT_PUBLIC_KEY=pair[1])


def test_a_private_key_in_the_place_of_the_public_one_is_refused(pair: tuple[str, str]):
    assert "private key" in problems_of(pair[0], pair[0])["JWT_PUBLIC_KEY"]


def test_a_public_key_in_the_place_of_the_private_one_is_refused(pair: tuple[str, str]):
    assert "public key" in problems_of(pair[1], pair[1])["JWT_PRIVATE_KEY"]


def test_another_curve_or_algorithm_is_refused(make_pair: Callable[..., tuple[str, str]], pair: tuple[str, str]):
    assert "P-256" in problems_of(make_pair(ec.SECP384R1())[0], pair[1])["JWT_PRIVATE_KEY"]
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert "P-256" in problems_of(pem, pair[1])["JWT_PRIVATE_KEY"]


def test_a_key_behind_a_passphrase_is_refused(pair: tuple[str, str]):
    key = ec.generate_private_key(ec.SECP256R1())
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"x")).decode()
        assert "passphrase" in problems_of(pem, pair[1])["JWT_PRIVATE_KEY"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: pem[:-20],
        lambda pem: pem.replace("BEGIN PRIVATE", "BEGIN EC PRIVATE"),
        lambda pem: pem.replace("\n", " "),
        lambda pem: pem.replace("M", "!", 1),
        lambda pem: f'"{pem}"',
        lambda pem: pem[:60] + pem[61:],
    ],
)
def test_a_damaged_key_is_refused(pair: tuple[str, str], damage: Callable[[str], str]):
    damaged = damage(pair[0])
    if damaged.count("\n") == 0:
        # A key whose newlines became spaces can still be read without doubt
        settings_for_tests(JWT_PRIVATE_KEY=damaged, JWT_PUBLIC_KEY=pair[1])
    else:
        assert "JWT_PRIVATE_KEY" in problems_of(damaged, pair[1])


@pytest.mark.parametrize("between", ["", "\n", ",", " , \n"])
def test_keys_that_are_published_beside_the_signing_key_are_read_one_after_the_other(
    make_pair: Callable[..., tuple[str, str]], pair: tuple[str, str], between: str
):
    following, previous = make_pair()[1], make_pair()[1]
    for text in (following + between + previous, (following + between + previous).replace("\n", "\\n")):
        jwt = settings_for_tests(JWT_PRIVATE_KEY=pair[0], JWT_PUBLIC_KEY=pair[1], JWT_PUBLISHED_KEYS=text).jwt
        assert jwt.published_keys == (following, previous)
    twice = settings_for_tests(JWT_PUBLISHED_KEYS=following + following).jwt
    assert twice.published_keys == (following,)


def test_a_private_key_is_never_published(make_pair: Callable[..., tuple[str, str]]):
    private, public = make_pair()
    for text in (private, public + private):
        with pytest.raises(ConfigurationError, match="JWT_PUBLISHED_KEYS: holds a private key") as caught:
            settings_for_tests(JWT_PUBLISHED_KEYS=text)
        assert private[40:80].strip() not in str(caught.value)


def test_published_keys_with_something_else_among_them_are_refused(make_pair: Callable[..., tuple[str, str]]):
    public = make_pair()[1]
    for text in (public[:-20], public + "x", public + public[30:], make_pair(ec.SECP384R1())[1], "none"):
        with pytest.raises(ConfigurationError, match="JWT_PUBLISHED_KEYS"):
            settings_for_tests(JWT_PUBLISHED_KEYS=text)
