"""What the hasher promises: pinned Argon2id, equal work for unknown accounts, a bounded queue, a free event loop."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator

import argon2
import pytest

from singr_auth import PasswordHasher, PasswordQueueFullError, WrongPasswordError, normalise_password
from singr_auth._passwords import _hashing as passwords
from singr_config import Secret
from singr_config.constants import ARGON2, Argon2Parameters

CHEAP = Argon2Parameters(memory_kib=64, time_cost=1)
PASSWORD = Secret("correct horse battery staple")


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    hasher = PasswordHasher(threads=2, queue=8, parameters=CHEAP)
    yield hasher
    hasher.close()


@pytest.mark.usefixtures("production_hashes")
async def test_hashes_are_argon2id_with_the_pinned_parameters_and_a_salt_of_their_own() -> None:
    hasher = PasswordHasher(threads=1)
    try:
        first, second = await hasher.hash(PASSWORD), await hasher.hash(PASSWORD)
    finally:
        hasher.close()
    assert (ARGON2.memory_kib, ARGON2.time_cost, ARGON2.parallelism, ARGON2.hash_bytes) == (19_456, 2, 1, 32)
    form = r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}"
    assert re.fullmatch(form, first)
    assert first.split("$")[4:] != second.split("$")[4:]
    assert argon2.PasswordHasher().verify(first, PASSWORD.reveal())  # readable by the library alone


async def test_the_right_password_verifies_and_needs_no_new_hash(hasher: PasswordHasher) -> None:
    assert await hasher.verify(await hasher.hash(PASSWORD), PASSWORD) is None


@pytest.mark.parametrize(
    "wrong", ["", "correct horse battery stapl", "Correct horse battery staple", PASSWORD.reveal() + "\0"]
)
async def test_any_other_password_is_wrong(hasher: PasswordHasher, wrong: str) -> None:
    with pytest.raises(WrongPasswordError):
        await hasher.verify(await hasher.hash(PASSWORD), Secret(wrong))


async def test_nothing_behind_a_nul_or_a_length_is_cut_off(hasher: PasswordHasher) -> None:
    for text in ("before\0after, and more", "x" * 256):
        stored = await hasher.hash(Secret(text))
        with pytest.raises(WrongPasswordError):
            await hasher.verify(stored, Secret(text[:-1]))


async def test_a_hash_of_other_parameters_verifies_and_is_made_anew(hasher: PasswordHasher) -> None:
    older = PasswordHasher(threads=1, parameters=Argon2Parameters(memory_kib=32, time_cost=1))
    stored = await older.hash(PASSWORD)
    older.close()
    renewed = await hasher.verify(stored, PASSWORD)
    assert renewed is not None
    assert "m=64,t=1,p=1" in renewed
    assert await hasher.verify(renewed, PASSWORD) is None
    with pytest.raises(WrongPasswordError):
        await hasher.verify(stored, Secret("another"))


@pytest.mark.parametrize(
    "stored", ["", "!", "plain text", "$argon2id$v=19$m=64,t=1,p=1$c2FsdA", "$2b$12$abcdefghijklmnopqrstuv"]
)
async def test_what_is_no_argon2_hash_never_verifies(hasher: PasswordHasher, stored: str) -> None:
    with pytest.raises(WrongPasswordError):
        await hasher.verify(stored, PASSWORD)


@pytest.mark.parametrize("stored", [None, "no hash at all", "$argon2id$v=19$m=64,t=1,p=1$c2FsdA"])
async def test_an_unknown_account_costs_as_much_as_a_known_one(
    monkeypatch: pytest.MonkeyPatch, hasher: PasswordHasher, stored: str | None
) -> None:
    worked: list[str] = []
    real = argon2.PasswordHasher.verify

    def noted(this: argon2.PasswordHasher, phc: str, password: bytes) -> bool:
        try:
            return real(this, phc, password)
        except argon2.exceptions.VerifyMismatchError:  # the whole work was done
            worked.append(phc.rpartition("$")[0].rpartition("$")[0])
            raise

    known = await hasher.hash(PASSWORD)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", noted)
    for phc in (known, stored):
        with pytest.raises(WrongPasswordError):
            await hasher.verify(phc, Secret("wrong"))
    assert worked == ["$argon2id$v=19$m=64,t=1,p=1"] * 2


async def test_no_password_fits_the_decoy(hasher: PasswordHasher) -> None:
    for text in ("", "password", "\0"):
        with pytest.raises(WrongPasswordError):
            await hasher.verify(None, Secret(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("caf\u00e9", "cafe\u0301"), ("a b", "a\u00a0b"), ("a b", "a\u3000b"), ("\u00c5ngstrom", "A\u030angstrom")],
)
async def test_two_keyboards_spelling_of_one_password_is_one_password(
    hasher: PasswordHasher, one: str, other: str
) -> None:
    assert normalise_password(Secret(one)) == normalise_password(Secret(other))
    assert await hasher.verify(await hasher.hash(Secret(one)), Secret(other)) is None


async def test_passwords_that_differ_stay_different(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(Secret("ﬁne print, not fine print"))
    with pytest.raises(WrongPasswordError):
        await hasher.verify(stored, Secret("fine print, not fine print"))


async def test_half_a_character_is_a_password_like_any_other_and_no_crash(hasher: PasswordHasher) -> None:
    odd = Secret("\ud800 half of a pair")
    assert await hasher.verify(await hasher.hash(odd), odd) is None


class Held:
    """A hasher whose threads wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, threads: int, queue: int) -> None:
        self.hasher = PasswordHasher(threads=threads, queue=queue, parameters=CHEAP)
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.at_once = 0
        self.most = 0
        real = argon2.PasswordHasher.hash

        def slow(this: argon2.PasswordHasher, password: bytes) -> str:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.begun.release()
            self.gate.wait(30)
            self.at_once -= 1
            return real(this, password)

        monkeypatch.setattr(argon2.PasswordHasher, "hash", slow)

    async def started(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.begun.acquire, timeout=30)


async def test_more_than_fit_into_the_queue_are_refused_at_once_and_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Held(monkeypatch, threads=2, queue=3)
    tasks = [asyncio.create_task(held.hasher.hash(PASSWORD)) for _ in range(9)]
    await held.started(2)
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 4
    assert all(isinstance(task.exception(), PasswordQueueFullError) for task in refused)
    held.gate.set()
    assert len([await task for task in tasks if task not in refused]) == 5
    assert held.most == 2
    assert await held.hasher.verify(await held.hasher.hash(PASSWORD), PASSWORD) is None  # all places are free again
    held.hasher.close()


async def test_a_caller_that_goes_away_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, threads=1, queue=1)
    running = asyncio.create_task(held.hasher.hash(PASSWORD))
    await held.started(1)
    waiting = asyncio.create_task(held.hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    with pytest.raises(PasswordQueueFullError):
        await held.hasher.hash(PASSWORD)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    another = asyncio.create_task(held.hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    running.cancel()  # its thread works on: the place stays taken until it is done
    with pytest.raises(PasswordQueueFullError):
        await held.hasher.hash(PASSWORD)
    held.gate.set()
    assert (await another).startswith("$argon2id$")
    held.hasher.close()


async def test_the_event_loop_goes_on_while_passwords_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, threads=2, queue=8)
    tasks = [asyncio.create_task(held.hasher.hash(PASSWORD)) for _ in range(6)]
    await held.started(2)
    turns = 0
    for _ in range(100):
        await asyncio.sleep(0)
        turns += 1
    assert turns == 100
    assert not any(task.done() for task in tasks)
    held.gate.set()
    await asyncio.gather(*tasks)
    held.hasher.close()


async def test_after_the_end_nothing_is_taken_on(hasher: PasswordHasher) -> None:
    hasher.close()
    with pytest.raises(RuntimeError):
        await hasher.hash(PASSWORD)


async def test_a_wrong_password_leaves_no_trace_in_the_error(hasher: PasswordHasher) -> None:
    with pytest.raises(WrongPasswordError) as caught:
        await hasher.verify(await hasher.hash(PASSWORD), Secret("canary-wrong-password"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in f"{error} {error.args}"
        error = error.__cause__ or error.__context__


@pytest.mark.skipif(not passwords.sys.platform.startswith("linux"), reason="only Linux threads have their own niceness")
async def test_hashing_threads_give_way_to_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415 — here only

    seen: list[int] = []
    real = argon2.PasswordHasher.hash

    def noted(this: argon2.PasswordHasher, password: bytes) -> str:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return real(this, password)

    monkeypatch.setattr(argon2.PasswordHasher, "hash", noted)
    hasher = PasswordHasher(threads=1, parameters=CHEAP)
    await hasher.hash(PASSWORD)
    hasher.close()
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert seen == [min(own + 5, 19)]
