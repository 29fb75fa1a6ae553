"""Passkeys: sign in with one, and keep one's own."""
