"""The command line, `ctexport`: one file a command. None but those that run something may import Dagster on start."""
