"""Listing, reading and cancelling jobs, as their organization may."""
