"""Notifications in memory, as users' tests have them in place of the tables (see `singr_comms.testing`)."""
