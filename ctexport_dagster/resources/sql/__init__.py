"""A database as a source: queries over windows of time, read through SQLAlchemy."""
