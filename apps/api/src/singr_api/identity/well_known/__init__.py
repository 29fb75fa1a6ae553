"""What others look up about this platform at addresses that standards fix (RFC 8615)."""
