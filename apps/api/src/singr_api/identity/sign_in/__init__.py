"""Signing in, by password or by link."""
