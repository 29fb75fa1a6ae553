"""Taking jobs: from where they wait onto tickets, and what cannot begin off them again."""
