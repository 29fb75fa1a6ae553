"""Development only: embedded PostgreSQL and Valkey, mail inbox, provider simulators, pytest plugin."""
