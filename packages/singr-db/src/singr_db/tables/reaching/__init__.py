"""Whom organizations reach with what."""
