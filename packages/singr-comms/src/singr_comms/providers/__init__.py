"""One provider per file; the HTTP ones on the base in ``_http.py``."""
