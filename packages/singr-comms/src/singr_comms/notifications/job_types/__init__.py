"""The job types of messages beside those that send; each file is one, with its struct, its handler and `JOBS`."""
