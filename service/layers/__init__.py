"""ASGI layers around the routes, each with one job."""
