"""The demo source: made-up profiles, the same on every machine."""
