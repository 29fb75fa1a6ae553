"""Whom an organization reaches, and what they want to be told.

Needs the extra `notifications`.
"""

from singr_comms.people.preferences._rule import RULE_SQL, Decision, decide

__all__ = ["RULE_SQL", "Decision", "decide"]
