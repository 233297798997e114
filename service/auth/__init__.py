"""From a bearer token to an OwnerId."""
