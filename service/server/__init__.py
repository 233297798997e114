"""The HTTP server: all code that depends on internals of uvicorn and httptools."""
