"""Raw rows brought to the profile model, and those that can't be, each with its reason."""
