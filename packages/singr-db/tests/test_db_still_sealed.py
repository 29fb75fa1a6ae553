"""Nobody takes a former secret out while something that is still to be told, or opened, needs it."""

from collections.abc import Callable

import psycopg
import pytest

from singr_config import Secret
from singr_db import PLATFORM_ORGANIZATION_ID, PersonKey, Sealer, new_id
from singr_db._cli import main

OLD, NEW, LOST = ("o" * 40, "n" * 40, "x" * 40)
PERSON = "INSERT INTO recipients (id, organization_id, external_id, key_id) VALUES (%(who)s, %(our)s, %(who)s, %(key)s)"
ADDED = {
    "items of digests": """
WITH w AS (INSERT INTO digest_windows (id, organization_id, recipient_id, type, period, closes_at)
           VALUES (gen_random_uuid(), %(our)s, %(who)s, 'plain', 'weekly', '2031-05-04T07:00Z') RETURNING id)
INSERT INTO digest_items (id, organization_id, recipient_id, window_id, kind, channel, content_sealed)
SELECT gen_random_uuid(), %(our)s, %(who)s, id, 'plain', 'sms', %(sealed)s FROM w""",
    "notifications that have not ended": """
WITH n AS (INSERT INTO notifications (id, organization_id, type, audience, channels, send_at)
           VALUES (gen_random_uuid(), %(our)s, 'plain', '{"kind": "all"}', '{sms}', '2031-05-04T07:00Z') RETURNING id)
INSERT INTO notification_contents (notification_id, ordinal, channel, organization_id, content_sealed)
SELECT id, 0, way, %(our)s, %(sealed)s FROM n CROSS JOIN unnest(ARRAY['sms', 'push']) AS one (way)""",
    "messages that wait": """
INSERT INTO messages (id, organization_id, channel, kind, recipient_sealed, recipient_hash, recipient_masked,
                      content_sealed)
VALUES (%(id)s, %(our)s, 'sms', 'plain', %(sealed)s, '', '***', %(sealed)s)""",
    "items of inboxes": """
INSERT INTO inbox_items (id, organization_id, recipient_id, kind, content_sealed, position)
VALUES (%(id)s, %(our)s, %(who)s, 'plain', %(sealed)s, 1)""",
    "authenticator secrets": """
WITH u AS (INSERT INTO users (id, name, email, email_key, account_type)
           VALUES (%(id)s, 'A', 'a@example.org', 'a@example.org', 'singer') RETURNING id)
INSERT INTO second_factors (user_id, method, secret_sealed) SELECT id, 'totp', %(sealed)s FROM u""",
    "signing keys": """
INSERT INTO service_credentials (id, key_id, name, kind, secret_sealed)
VALUES (%(id)s, 'k', 'k', 'signing', %(sealed)s)""",
}
Told = Callable[[], tuple[int, str]]


@pytest.fixture
def told(migrated_url: str, capsys: pytest.CaptureFixture[str]) -> Told:
    """The exit code, and what is said of what cannot do without a former secret."""
    environ = {"APP_ENV": "test", "DATABASE_URL": migrated_url, "AUTH_SECRET": NEW, "AUTH_SECRET_PREVIOUS": OLD}
    main(["seed"], environ=environ)

    def asked() -> tuple[int, str]:
        capsys.readouterr()
        return main(["rewrap-keys"], environ=environ), capsys.readouterr().err

    return asked


def add(url: str, what: str, sealed: bytes) -> None:
    key = PersonKey.made()
    values = {"id": new_id(), "our": PLATFORM_ORGANIZATION_ID, "who": new_id(), "sealed": sealed, "key": key.id}
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO data_keys (id, organization_id, wrapped) VALUES (%s, %s, %s)",
            (key.id, PLATFORM_ORGANIZATION_ID, key.wrapped(Sealer(Secret(NEW)))),
        )
        for statement in (PERSON, ADDED[what]):
            connection.execute(statement.encode(), values)


@pytest.mark.parametrize("what", ADDED)
def test_what_a_former_secret_seals_is_counted_before_it_is_taken_out(what: str, migrated_url: str, told: Told):
    add(migrated_url, what, Sealer(Secret(NEW)).seal(b"Hello", context="c"))
    if what in {"messages that wait", "items of inboxes"}:
        add(migrated_url, what, PersonKey.made().seal(b"Hello", context="c"))
    assert told() == (0, "")
    with psycopg.connect(migrated_url) as connection:
        connection.execute("DELETE FROM users")
        connection.execute("DELETE FROM service_credentials")
    add(migrated_url, what, Sealer(Secret(OLD)).seal(b"Hello", context="c"))
    code, said = told()
    assert (code, said.startswith(f"singr-db: {what} that need a former secret: 1")) == (1, True)
    assert ("2031-05-04 07:00" in said) is (what in {"items of digests", "notifications that have not ended"})


def test_what_no_secret_that_is_named_opens_is_told(migrated_url: str, told: Told):
    for secret in (OLD, LOST, LOST):
        add(migrated_url, "items of digests", Sealer(Secret(secret)).seal(b"Hello", context="c"))
    code, said = told()
    assert code == 1
    assert [line.rpartition(": ")[2] for line in said.splitlines()] == [
        "1 (the last is due 2031-05-04 07:00 UTC).",
        "2.",
    ]
    assert "AUTH_SECRET_PREVIOUS lacks: 2" in said


def test_what_has_ended_needs_no_secret(migrated_url: str, told: Told):
    old = Sealer(Secret(OLD)).seal(b"Hello", context="c")
    add(migrated_url, "notifications that have not ended", old)
    add(migrated_url, "messages that wait", old)
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE notifications SET state = 'done', ended_at = now()")
        connection.execute("UPDATE messages SET status = 'delivered'")
    assert told() == (0, "")
