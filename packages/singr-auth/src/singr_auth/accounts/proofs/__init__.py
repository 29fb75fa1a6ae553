"""Proofs: tokens and codes that open one thing once, challenges, and what a session has proved."""
