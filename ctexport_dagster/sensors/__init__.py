"""The sensors of a home: what is caught up on, and who is told of failures."""
