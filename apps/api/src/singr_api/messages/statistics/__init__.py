"""Delivery statistics."""
