"""Job types about notifications: each plainly named module declares its own as `JOBS`."""
