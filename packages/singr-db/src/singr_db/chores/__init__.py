"""What a process does now and then beside its work: one base for every chore, and how those of a room are found.

A chore is one new file in a room of chores: its name, its interval and its work. What it needs, such as the database,
the metrics that it tells or the settings that it goes by, it names by the types of its constructor's arguments.
"""

from singr_db.chores._chore import Chore, DatabaseChore, build_chores, chore_kinds, chores_in
from singr_db.chores._switches import Switches
from singr_db.chores._trouble import Trouble

__all__ = ["Chore", "DatabaseChore", "Switches", "Trouble", "build_chores", "chore_kinds", "chores_in"]
