"""Jobs: create, list, read, cancel."""
