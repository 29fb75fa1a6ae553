"""`singr`: the command line over the HTTP API of Singr.

It knows the API's routes and nothing of what lies behind them; whatever it does, a program can do by the same request.
"""

from singr_cli._program import main

__all__ = ["main"]
