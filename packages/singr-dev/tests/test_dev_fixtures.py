"""The fixtures hand out what other packages' tests stand on."""

import psycopg
import redis
from sqlalchemy import text

from singr_config import Settings
from singr_db import Database
from singr_dev.embedded import EmbeddedServers
from singr_dev.inbox import Inbox
from singr_dev.simulators import MailjetSimulator, TwilioSimulator


def test_database_is_migrated(database_url: str):
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('jobs')").fetchone() == ("jobs",)


def leave_something(database_url: str, clean_redis_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute("SELECT slug FROM organizations").fetchall() == [("singr",)]
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (uuidv7(), 'Left', 'left')")
    with redis.Redis.from_url(clean_redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "1")


def test_test_finds_nothing_of_another_one(database_url: str, clean_redis_url: str):
    leave_something(database_url, clean_redis_url)


def test_test_finds_nothing_of_another_one_either(database_url: str, clean_redis_url: str):
    leave_something(database_url, clean_redis_url)


async def test_database_of_the_settings_is_open(db: Database):
    async with db.platform() as session:
        assert await session.scalar(text("SELECT current_setting('fsync')")) == "off"


def test_settings_lead_to_the_simulators_that_a_test_asks_for(
    settings: Settings, mailjet: MailjetSimulator, twilio: TwilioSimulator
):
    assert settings.email.provider == "mailjet"
    assert settings.email.mailjet.base_url == mailjet.base_url
    assert settings.email.mailjet.sandbox is False
    assert mailjet.account.may_send_as(settings.email.mailjet.from_email)
    assert settings.sms.twilio.base_url == twilio.base_url
    assert settings.sms.twilio.phone_number in twilio.numbers


def test_settings_lead_to_the_inbox_that_a_test_asks_for(settings: Settings, inbox: Inbox):
    assert settings.email.provider == "smtp"
    assert settings.email.smtp.port == inbox.smtp_port


def test_settings_alone_send_to_the_console(settings: Settings):
    assert (settings.email.provider, settings.sms.provider) == ("console", "console")


def test_own_servers_can_be_killed(own_servers: EmbeddedServers, database_url: str):
    own_servers.postgres.kill()
    own_servers.valkey.kill()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    own_servers.postgres.start()
    own_servers.valkey.start()
    assert own_servers.postgres.ready()
    assert own_servers.valkey.ready()


def test_own_servers_begin_migrated(own_servers: EmbeddedServers):
    with psycopg.connect(own_servers.database_url) as connection:
        assert connection.execute("SELECT to_regclass('jobs')").fetchone() == ("jobs",)
