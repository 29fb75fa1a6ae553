"""Limits by key: what the keys of job types are held to, and how operators change it."""
