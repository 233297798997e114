"""The HTTP server: all that leans on the insides of uvicorn and httptools."""
