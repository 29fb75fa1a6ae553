"""Whom an organization reaches, and what they want."""
