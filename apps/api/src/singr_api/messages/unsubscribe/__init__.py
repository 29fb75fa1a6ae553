"""Where readers end what organizations send to them (RFC 8058)."""
