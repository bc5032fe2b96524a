"""What `ctexport new` does between its questions: answers become declared files, checked before they are written.

No terminal here (cli/new.py, cli/asking.py), and no Dagster.
"""
