"""PostgreSQL and Valkey from wheels, with a lifecycle of our own.

with EmbeddedServers(".singr") as servers:
    print(servers.database_url, servers.redis_url)
"""

from singr_dev._errors import EmbeddedError
from singr_dev.embedded._postgres import PostgresServer
from singr_dev.embedded._rabbitmq import RabbitServer
from singr_dev.embedded._servers import EmbeddedServers
from singr_dev.embedded._valkey import ValkeyServer

__all__ = ["EmbeddedError", "EmbeddedServers", "PostgresServer", "RabbitServer", "ValkeyServer"]
