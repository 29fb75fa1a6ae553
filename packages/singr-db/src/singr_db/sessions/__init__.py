"""Talking to PostgreSQL: sessions and the tenant fence, pools, addresses, and what an error means."""
