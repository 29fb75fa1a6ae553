"""Who is let in: the policy of each route, applied before its handler runs."""
