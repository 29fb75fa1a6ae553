"""Queues: how they stand, and how operators steer them."""
