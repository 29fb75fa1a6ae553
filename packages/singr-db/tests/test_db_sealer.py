"""Sealed values open with the right secret and context, unaltered, and in no other way."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singr_config import Secret
from singr_db import Sealer, SealError

OLD, NEW = Secret("o" * 43), Secret("n" * 43)
CONTEXT = "messages.recipient"


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_was_sealed_opens_again(plaintext: bytes, context: str):
    sealer = Sealer(NEW)
    sealed = sealer.seal(plaintext, context=context)
    assert sealer.open(sealed, context=context) == plaintext
    assert len(sealed) == len(plaintext) + 33


def test_same_text_seals_differently_each_time_and_hides_itself():
    sealer = Sealer(NEW)
    sealed = {sealer.seal(b"jane@example.org", context=CONTEXT) for _ in range(1000)}
    assert len(sealed) == 1000
    assert not any(b"jane" in each for each in sealed)


FORKED = """
import os
from singr_config import Secret
from singr_db import Sealer

sealer = Sealer(Secret("n" * 43))
sealer.seal(b"the first draws some ahead", context="c")
child = os.fork()
for _ in range(100):
    os.write(1, sealer.seal(b"", context="c")[5:17].hex().encode() + b"\\n")
if child:
    os.waitpid(child, 0)
"""


def test_child_of_a_fork_seals_with_nonces_that_its_parent_never_uses():
    done = subprocess.run([sys.executable, "-c", FORKED], check=True, capture_output=True)  # a process with no threads
    nonces = done.stdout.split()
    assert (len(nonces), len(set(nonces))) == (200, 200)


def test_every_altered_byte_is_noticed():
    sealer = Sealer(NEW)
    sealed = sealer.seal(b"+15555550100", context=CONTEXT)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(SealError):
            sealer.open(bytes(altered), context=CONTEXT)


def test_every_shortening_is_noticed():
    sealer = Sealer(NEW)
    sealed = sealer.seal(b"+15555550100", context=CONTEXT)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            sealer.open(sealed[:length], context=CONTEXT)


def test_value_of_one_column_does_not_open_as_anothers():
    sealer = Sealer(NEW)
    sealed = sealer.seal(b"x", context=CONTEXT)
    with pytest.raises(SealError, match="another context"):
        sealer.open(sealed, context="messages.content")


def test_rotation_opens_old_values_and_seals_with_the_new_secret():
    before = Sealer(OLD).seal(b"x", context=CONTEXT)
    rotated = Sealer(NEW, [OLD])
    assert rotated.open(before, context=CONTEXT) == b"x"
    assert not rotated.is_current(before)
    after = rotated.seal(b"x", context=CONTEXT)
    assert rotated.is_current(after)
    assert Sealer(NEW).open(after, context=CONTEXT) == b"x"
    with pytest.raises(SealError, match="previous secrets"):
        Sealer(OLD).open(after, context=CONTEXT)


def test_current_secret_may_be_named_among_the_previous_ones():
    sealer = Sealer(NEW, [OLD, NEW])
    assert sealer.is_current(sealer.seal(b"x", context=CONTEXT))
    assert len(sealer.fingerprints("x", context=CONTEXT)) == 2


def test_fingerprints_find_a_text_in_its_context_and_need_the_secret():
    sealer = Sealer(NEW)
    fingerprint = sealer.fingerprint("jane@example.org", context=CONTEXT)
    assert len(fingerprint) == 32
    assert fingerprint == Sealer(NEW).fingerprint("jane@example.org", context=CONTEXT)
    others = {
        sealer.fingerprint("jane@example.com", context=CONTEXT),
        sealer.fingerprint("jane@example.org", context="messages.content"),
        Sealer(OLD).fingerprint("jane@example.org", context=CONTEXT),
    }
    assert fingerprint not in others
    assert sealer.fingerprint("bc", context="a") != sealer.fingerprint("c", context="ab")


def test_search_after_a_rotation_covers_old_fingerprints():
    old = Sealer(OLD).fingerprint("x", context=CONTEXT)
    rotated = Sealer(NEW, [OLD])
    assert rotated.fingerprints("x", context=CONTEXT) == (rotated.fingerprint("x", context=CONTEXT), old)


def test_empty_secret_is_refused():
    with pytest.raises(ValueError, match="AUTH_SECRET"):
        Sealer(Secret(""))


def test_errors_show_nothing_of_the_value():
    sealed = Sealer(NEW).seal(b"canary", context=CONTEXT)
    with pytest.raises(SealError) as caught:
        Sealer(OLD).open(sealed, context=CONTEXT)
    assert "canary" not in str(caught.value)
    assert sealed.hex() not in str(caught.value)
