"""What a job type is, what its handler sees, and how a job looks to its organization; no database in sight."""
