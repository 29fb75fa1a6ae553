"""Flows: jobs after jobs."""
