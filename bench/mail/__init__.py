"""Peers that send e-mails, run in an environment of the bench's own."""
