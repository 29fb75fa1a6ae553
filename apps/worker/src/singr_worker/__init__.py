"""The worker of Singr: job handlers, dispatcher and maintenance loops, supervised."""
