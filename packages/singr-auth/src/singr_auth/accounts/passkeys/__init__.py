"""Passkeys (WebAuthn): made, kept, proved, and signed in with."""
