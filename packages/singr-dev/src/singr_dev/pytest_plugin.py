"""Fixtures for tests against real servers (see README)."""
