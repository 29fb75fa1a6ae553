"""The HTTP API of Singr: routes, schemas, error mapping and wiring.

The application is `singr_api.app.create_app`; it stands there, and not here, so that a wrong setting is told before
everything is loaded.
"""

__all__: list[str] = []
