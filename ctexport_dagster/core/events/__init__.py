"""Events: their model, how their maps are read, and what an export makes of them. Pure, as all of core."""
