"""Flows: jobs after jobs, batches with a job at their end; counted where their members end (`singr_db.ending`)."""
