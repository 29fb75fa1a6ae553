"""Codes that people type, and the picture that an authenticator app scans."""
