"""Tokens and keys: access tokens (JWT), opaque tokens, and the API keys of services."""
