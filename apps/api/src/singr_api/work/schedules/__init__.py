"""Schedules: jobs at their times."""
