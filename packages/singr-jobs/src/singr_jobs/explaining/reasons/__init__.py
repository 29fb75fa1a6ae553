"""The reasons, one file each, with its place among the others (`ORDER`) and `why`, which answers where it applies.

What is true whatever else holds comes first: how it ended (10), who has it (20), what it waits for by itself (30 to 49:
its time, other jobs, a key), what keeps its queue (50 to 69: paused, not served, limited), and at last its turn (90).
"""
