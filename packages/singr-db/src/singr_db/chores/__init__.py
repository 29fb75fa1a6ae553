"""What a process does now and then beside its work: one base for every chore, and how those of a room are found.

A chore is one new file in a room of chores: a `DatabaseChore` with its name, its interval and its work.
"""

from singr_db.chores._chore import Chore, DatabaseChore, chores_in
from singr_db.chores._switches import Switches
from singr_db.chores._trouble import Trouble

__all__ = ["Chore", "DatabaseChore", "Switches", "Trouble", "chores_in"]
