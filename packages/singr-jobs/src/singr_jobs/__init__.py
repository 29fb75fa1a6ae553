"""Durable background jobs on PostgreSQL, carried by Dramatiq tickets."""
