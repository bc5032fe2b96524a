"""The delivery: from staged files to a destination, crash-safe by plan, journal and manifest."""
