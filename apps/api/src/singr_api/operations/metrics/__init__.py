"""Metrics, for Prometheus and for people."""
