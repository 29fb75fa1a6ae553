"""Passwords: forgotten, reset, changed."""
