"""Links of invitations over HTTP: mailed sealed, worth something once, by POST alone, and to whom they were sent."""

import asyncio
from uuid import UUID

from api_town import Town
from sqlalchemy import text

PASSWORD = "a long road to the microphone"


async def test_invitation_is_mailed_sealed_in_its_transaction_and_never_shown(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    headers = town.world.key()
    body = {"email": "Guest@Example.org", "role": "customer_manager"}
    made = await town.as_(owner).post(f"{path}/invitations", json=body, headers=headers)
    assert made.status_code == 201, made.text
    again = await town.as_(owner).post(f"{path}/invitations", json=body, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
    second = await town.as_(owner).post(f"{path}/invitations", json=body, headers=town.world.key())
    assert "email" in town.world.fields(town.world.problem(second, 409, "conflict"))
    async with town.accounts.db.platform() as session:
        rows = (await session.execute(text("SELECT kind, recipient_masked, to_jsonb(m)::text FROM messages m"))).all()
    assert [(kind, masked) for kind, masked, _ in rows] == [("invitation", "G***@Example.org")]
    assert "sin_" not in str(rows)
    assert "sin_" not in made.text
    listed = (await town.as_(owner).get(f"{path}/invitations")).json()["items"]
    assert listed == [made.json()]


async def test_resent_and_revoked_links_are_worth_nothing(town: Town) -> None:
    owner, guest = await town.someone(), await town.someone()
    path = await town.venue(owner)
    old = await town.token(path, guest.email)
    invitation = (await town.as_(owner).get(f"{path}/invitations")).json()["items"][0]
    resent = await town.as_(owner).post(f"{path}/invitations/{invitation['id']}/resend", headers=town.world.key())
    assert resent.status_code == 200
    accept = town.as_(guest)
    town.world.problem(await accept.post("/v1/invitations/accept", json={"token": old}), 400, "one-time-token-refused")
    revoked = await town.as_(owner).delete(f"{path}/invitations/{invitation['id']}")
    assert (revoked.status_code, revoked.content) == (204, b"")
    again = await town.as_(owner).delete(f"{path}/invitations/{invitation['id']}")
    town.world.problem(again, 409, "conflict")


async def test_fifty_accepts_at_once_make_one_member(town: Town) -> None:
    """S8."""
    owner, guest = await town.someone(), await town.someone()
    path = await town.venue(owner)
    token = await town.token(path, guest.email)
    caller = town.as_(guest)
    answers = await asyncio.gather(*(caller.post("/v1/invitations/accept", json={"token": token}) for _ in range(50)))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert len((await town.as_(owner).get(f"{path}/members")).json()["items"]) == 2


async def test_preview_uses_nothing_up_and_get_does_not_exist(town: Town) -> None:
    owner, guest = await town.someone(), await town.someone()
    path = await town.venue(owner)
    token = await town.token(path, guest.email)
    for _ in range(3):
        shown = await town.as_(None).post("/v1/invitations/preview", json={"token": token})
        assert shown.status_code == 200
        assert (shown.json()["email"], shown.json()["has_account"]) == (guest.email, True)
    for name in ("preview", "accept", "register"):
        answer = await town.as_(guest).get(f"/v1/invitations/{name}", params={"token": token})
        town.world.problem(answer, 405, "method-not-allowed")
    accepted = await town.as_(guest).post("/v1/invitations/accept", json={"token": token})
    assert accepted.json()["role"] == "customer_staff"
    after = await town.as_(None).post("/v1/invitations/preview", json={"token": token})
    town.world.problem(after, 400, "one-time-token-refused")


async def test_somebody_elses_link_cannot_be_accepted(town: Town) -> None:
    owner, guest, thief = await town.someone(), await town.someone(), await town.someone()
    path = await town.venue(owner)
    token = await town.token(path, guest.email)
    answer = await town.as_(thief).post("/v1/invitations/accept", json={"token": token})
    document = town.world.problem(answer, 403, "not-allowed")
    assert guest.email not in str(document)
    assert (await town.as_(guest).post("/v1/invitations/accept", json={"token": token})).status_code == 200


async def test_newcomer_registers_once_and_can_sign_in(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    token = await town.token(path, "newcomer@example.org")
    body = {"token": token, "name": "Grace Hopper", "password": PASSWORD}
    caller = town.as_(None)
    weak = await caller.post("/v1/invitations/register", json=body | {"password": "short"})
    assert weak.status_code == 422, weak.text
    answers = await asyncio.gather(*(caller.post("/v1/invitations/register", json=body) for _ in range(5)))
    assert sum(answer.status_code == 201 for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {201, 400, 409}
    joined = next(answer.json() for answer in answers if answer.status_code == 201)
    assert joined["organization"]["role"] == "customer_staff"
    assert PASSWORD not in str(joined)
    async with town.accounts.db.platform() as session:
        row = (
            await session.execute(
                text("SELECT status, email_verified_at, password_hash FROM users WHERE id = :id"),
                {"id": UUID(joined["user_id"])},
            )
        ).one()
    assert row.status == "active"
    assert row.email_verified_at is not None
    assert row.password_hash.startswith("$argon2id$")
