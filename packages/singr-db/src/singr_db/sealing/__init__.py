"""Sealing what must not lie in the database in clear: with the platform's secret, or with a key of one person."""
