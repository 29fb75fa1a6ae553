"""Retention of jobs: weeks that have served their time are dropped whole, and what is still wanted of them is kept."""

from singr_db.retention._retain import Report, Span, foresee, retain, retaining

__all__ = ["Report", "Span", "foresee", "retain", "retaining"]
