"""Sources and destinations: each kind in a file of its own, imported when a declaration needs it."""
