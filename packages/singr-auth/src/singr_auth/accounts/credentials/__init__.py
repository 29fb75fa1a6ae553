"""The credentials of services: their rows, their look-up on the path of every request, and the one way to revoke."""
