"""Who delivers: each plainly named module declares one provider; those over HTTP are built on `_http.py`."""
