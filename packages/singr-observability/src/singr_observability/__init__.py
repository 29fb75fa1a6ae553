"""Logs, redaction, metrics, traces, error reports and the request id that ties them together."""
