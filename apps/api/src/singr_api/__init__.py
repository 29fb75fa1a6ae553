"""The HTTP API of Singr: routes, schemas, error mapping and wiring."""
