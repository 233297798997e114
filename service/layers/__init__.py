"""What is done around every handler, each module with one job."""
