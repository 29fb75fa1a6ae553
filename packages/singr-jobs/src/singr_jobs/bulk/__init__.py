"""Bulk actions: what is done to all jobs or dead letters that fit a filter, at a rate, until it is done or stopped."""
