"""Signing in: the guard before it, the first factor, and what a sign-in ends in."""
