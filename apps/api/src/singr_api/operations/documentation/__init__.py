"""The API's own documentation: the OpenAPI document, and a page to read it."""
