"""What only a developer's machine needs: a PostgreSQL of our own. Not in the image."""
