"""What migrations do with rows in use: accounts, credentials, marks and attempts stay what they were."""

import hashlib
from uuid import UUID

import psycopg
import pytest

from singr_db import PLATFORM_ORGANIZATION_ID, downgrade, new_id, upgrade


def test_upgrade_of_an_upgraded_database_keeps_its_rows(empty_url: str):
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (gen_random_uuid(), 'a', 'a')")
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT count(*) FROM organizations WHERE slug = 'a'").fetchone() == (1,)


def test_accounts_come_to_a_database_in_use_and_leave_it_as_it_was(empty_url: str):
    organization, credential = new_id(), new_id()
    upgrade(empty_url, "0001")
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (%s, 'Singr', 'singr')", [organization])
        connection.execute(
            "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_sealed)"
            " VALUES (%s, %s, 'k', 'n', 'signing', 's')",
            [credential, organization],
        )
    before = contents(empty_url)
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        found = connection.execute("SELECT slug, id FROM organizations").fetchall()
    assert dict(found) == {"singr": organization, "singr-platform": PLATFORM_ORGANIZATION_ID}
    downgrade(empty_url, "0001")
    assert contents(empty_url) == before


def test_credentials_and_roles_that_could_send_still_can(empty_url: str):
    upgrade(empty_url, "0007")
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO permissions (name) VALUES ('jobs:write'), ('notifications:write')")
        connection.execute("INSERT INTO roles (id, name) VALUES (%s, 'sender')", [role := new_id()])
        connection.execute("INSERT INTO role_permissions VALUES (%s, 'jobs:write')", [role])
        for name, scopes in (("w", ["jobs:write"]), ("r", ["jobs:read"])):
            connection.execute(
                "INSERT INTO service_credentials (id, key_id, name, kind, secret_sealed, scopes)"
                " VALUES (%s, %s, 'n', 'signing', 's', %s)",
                [new_id(), name, scopes],
            )
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        found = dict(connection.execute("SELECT key_id, scopes FROM service_credentials").fetchall())
        granted = connection.execute("SELECT permission FROM role_permissions ORDER BY 1").fetchall()
    assert found == {"w": ["jobs:write", "notifications:write"], "r": ["jobs:read"]}
    assert granted == [("jobs:write",), ("notifications:write",)]


def test_what_callers_were_answered_before_marks_is_found_by_its_mark(empty_url: str):
    upgrade(empty_url, "0011")
    organization = new_id()
    insert = (
        "INSERT INTO idempotency_records (organization_id, key, method, path, body_hash, state, status_code,"
        " content_type, response_body, expires_at) VALUES (%s, %s, 'POST', '/v1/jobs', 'h', 'done', 202,"
        " 'application/json', '{}', now() + %s * interval '1 hour')"
    )
    with psycopg.connect(empty_url) as connection:
        connection.execute(insert, [organization, "before", 1])
        connection.execute(insert, [organization, "over", -1])
        connection.execute("INSERT INTO request_nonces VALUES ('env', 'used', now())")
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute(insert, [organization, "beside", 1])
        connection.execute("INSERT INTO request_nonces VALUES ('env', 'used beside', now())")
        keys = set(connection.execute("SELECT mark, organization_id, print, status_code FROM request_keys").fetchall())
        nonces = set(connection.execute("SELECT mark FROM request_marks").fetchall())
    bound = half("POST\n/v1/jobs\nh")
    assert keys == {(half(f"key\n{organization}\n{key}"), organization, bound, 202) for key in ("before", "beside")}
    assert nonces == {(half(f"nonce\nenv\n{nonce}"),) for nonce in ("used", "used beside")}


def test_grants_and_jobs_from_before_the_bounds_stay_and_new_jobs_are_held_to_them(empty_url: str):
    upgrade(empty_url, "0016")
    insert = (
        "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
        " VALUES (%s, %s, 'Of old', 'default', '{}', 1, 'NaN', 1)"
    )
    role = f"before_{new_id().hex}"
    columns = "id, organization_id, type, queue, payload, max_attempts, backoff, timeout, unique_key"
    with psycopg.connect(empty_url, autocommit=True) as connection:
        for granted in (  # as the release did
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA public TO {role}",
            f"GRANT INSERT ({columns}) ON jobs TO {role}",
            f'CREATE POLICY "enqueue_{role}" ON jobs FOR INSERT TO {role} WITH CHECK (true)',
        ):
            connection.execute(granted)
        connection.execute(f"SET ROLE {role}")
        connection.execute(insert, [new_id(), new_id()])
        connection.execute("RESET ROLE")
        upgrade(empty_url)
        assert connection.execute("UPDATE jobs SET status = 'completed'").rowcount == 1
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.CheckViolation, match="type must be"):
            connection.execute(insert, [new_id(), new_id()])
        keyed = insert.replace("timeout)", "timeout, concurrency_key)").replace("1, 'NaN', 1)", "1, 1, 1, 'k')")
        connection.execute(keyed.replace("Of old", "of.new"), [new_id(), new_id()])
        connection.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


def half(text: str) -> UUID:
    return UUID(hashlib.sha256(text.encode()).hexdigest()[:32])


def contents(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return [
            *connection.execute("SELECT * FROM organizations ORDER BY id").fetchall(),
            *connection.execute("SELECT * FROM service_credentials ORDER BY id").fetchall(),
        ]


def test_credentials_in_use_are_held_by_their_maker_where_that_is_known(empty_url: str):
    upgrade(empty_url, "0004")
    organization, person = new_id(), new_id()
    with psycopg.connect(empty_url) as connection:
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (%s, 'o', 'o')", (organization,))
        connection.execute(
            "INSERT INTO users (id, account_type, status, name, email, email_key)"
            " VALUES (%s, 'customer', 'active', 'p', 'p@x.org', 'p@x.org')",
            (person,),
        )
        for key_id, made_by, owner in (
            ("mine", f"user:{person}", organization),
            ("of-mine", "mine", organization),
            ("of-a-stranger", f"user:{new_id()}", organization),
            ("of-a-shell", None, organization),
            ("odd", "user:nonsense", organization),
            ("platform", f"user:{person}", None),
        ):
            connection.execute(
                "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash, scopes,"
                " created_by, expires_at) VALUES (%s, %s, %s, 'n', 'api_key', 'x', '{jobs:read}', %s, '9999-12-31')",
                (new_id(), owner, key_id, made_by),
            )
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        held = dict(connection.execute("SELECT key_id, holder_id FROM service_credentials").fetchall())
        assert {key_id for key_id, holder in held.items() if holder == person} == {"mine", "of-mine"}
        assert {key_id for key_id, holder in held.items() if holder is None} == held.keys() - {"mine", "of-mine"}
        [(latest,)] = connection.execute(
            "SELECT max(expires_at) < now() + interval '11 years' FROM service_credentials"
        )
        assert latest


def test_attempts_in_use_become_partitioned_and_plain_again_with_every_row(empty_url: str):
    upgrade(empty_url, "0011")
    insert = "INSERT INTO job_attempts (job_id, attempt, organization_id, outcome) VALUES (%s, 1, %s, 'lost')"
    with psycopg.connect(empty_url) as connection:
        for _ in range(3):
            connection.execute(insert, [new_id(), new_id()])
    kept = "SELECT * FROM job_attempts ORDER BY job_id"
    with psycopg.connect(empty_url, autocommit=True) as connection:
        before = connection.execute(kept).fetchall()
        upgrade(empty_url)
        assert connection.execute(kept).fetchall() == before
        connection.execute(insert, [new_id(), new_id()])  # as the release before does
        more = connection.execute(kept).fetchall()
        downgrade(empty_url, "0011")
        assert connection.execute(kept).fetchall() == more


def test_what_was_done_before_is_added_up_by_queue(empty_url: str):
    write = """
        INSERT INTO work_minutes SELECT date_trunc('minute', now()), 'sms', 't' || n, n, 0, 1,
               array_fill(n, ARRAY[64]), array_fill(0, ARRAY[64]) FROM generate_series(1, 3) AS n
    """
    upgrade(empty_url, "0049")
    with psycopg.connect(empty_url) as connection:
        connection.execute(write)
        connection.execute("UPDATE work_minutes SET queue = 'email' WHERE type = 't3'")
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        found = connection.execute(
            "SELECT queue, completed, failed, waits[1], waits[64], runs[1] FROM queue_minutes ORDER BY queue"
        ).fetchall()
    assert found == [("email", 3, 1, 3, 3, 0), ("sms", 3, 2, 3, 3, 0)]
    downgrade(empty_url, "0049")


def test_recipients_by_accounts_that_left_before_are_tied_to_none_and_others_as_they_were(empty_url: str):
    member, left, elsewhere = new_id(), new_id(), new_id()  # the last one: an account that another service keeps
    upgrade(empty_url, "0082")
    with psycopg.connect(empty_url) as connection:
        connection.execute(
            "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue', 'blue')", [place := new_id()]
        )
        connection.execute("INSERT INTO roles (id, name) VALUES (%s, 'staff')", [role := new_id()])
        for account in (member, left):
            address = f"{account}@example.org"
            connection.execute(
                "INSERT INTO users (id, account_type, name, email, email_key) VALUES (%s, 'customer', 'A', %s, %s)",
                [account, address, address],
            )
        connection.execute(
            "INSERT INTO memberships (organization_id, user_id, role_id) VALUES (%s, %s, %s)", [place, member, role]
        )
        for account in (member, left, elsewhere):
            connection.execute(
                "INSERT INTO recipients (id, organization_id, external_id, user_id, key_id)"
                " VALUES (%s, %s, %s, %s, %s)",
                [new_id(), place, str(account), account, new_id()],
            )
    upgrade(empty_url)
    with psycopg.connect(empty_url) as connection:
        found = connection.execute("SELECT last_user_id, user_id FROM recipients").fetchall()
    assert dict(found) == {member: member, left: None, elsewhere: elsewhere}


def test_organizations_in_use_are_named_once_the_release_before_is_gone(empty_url: str):
    upgrade(empty_url, "0089")
    with psycopg.connect(empty_url) as connection:
        connection.execute(
            "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue', 'blue')", [place := new_id()]
        )
    upgrade(empty_url)
    names = "SELECT name, starts_at > now() + interval '50 minutes' FROM organization_names WHERE organization_id = %s"
    with psycopg.connect(empty_url) as connection:
        assert connection.execute(f"{names} ORDER BY id", [place]).fetchall() == [(None, False), ("Blue", True)]
        connection.execute("UPDATE organizations SET name = 'Green' WHERE id = %s", [place])
        assert connection.execute(f"{names} ORDER BY id DESC LIMIT 1", [place]).fetchone() == ("Green", False)


def test_inboxes_in_use_stay_their_accounts_and_of_others_nothing_is_proved(empty_url: str):
    tied, nobodys = new_id(), new_id()
    upgrade(empty_url, "0094")
    with psycopg.connect(empty_url) as connection:
        connection.execute(
            "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue', 'blue')", [place := new_id()]
        )
        for recipient, account in ((tied, new_id()), (nobodys, None)):
            connection.execute(
                "INSERT INTO recipients (id, organization_id, external_id, user_id, key_id)"
                " VALUES (%s, %s, %s, %s, %s)",
                [recipient, place, str(recipient), account, new_id()],
            )
            connection.execute(
                "INSERT INTO inbox_counters (recipient_id, organization_id, unread, position) VALUES (%s, %s, 1, 1)",
                [recipient, place],
            )
    upgrade(empty_url)
    kept = "SELECT recipient_id, unread, hidden_through, left_at FROM inbox_counters"
    with psycopg.connect(empty_url) as connection:
        assert set(connection.execute(kept).fetchall()) == {(tied, 1, 0, None), (nobodys, 1, 0, -1)}
        connection.execute("UPDATE recipients SET user_id = gen_random_uuid() WHERE user_id IS NULL")
        assert (nobodys, 0, 1, -1) in set(connection.execute(kept).fetchall())
