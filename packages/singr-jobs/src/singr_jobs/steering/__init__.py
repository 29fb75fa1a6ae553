"""What somebody does to one job by hand: try it again, run it now, move it among what waits."""
