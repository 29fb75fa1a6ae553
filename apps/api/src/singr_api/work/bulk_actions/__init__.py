"""Bulk actions: what is done to many jobs or dead letters at once."""
