"""What an operation promises, as code and as the document made from it."""
