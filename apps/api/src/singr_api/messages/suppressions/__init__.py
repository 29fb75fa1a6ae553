"""Addresses that get no messages."""
