"""Attempts: what handlers are given, how they are called, and what becomes of those that raise."""
