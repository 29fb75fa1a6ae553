"""Due jobs become tickets, tickets attempts, attempts outcomes."""
