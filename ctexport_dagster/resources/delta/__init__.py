"""Delta tables as a source: by version, by predicate or by a cursor, read file by file from the log's list."""
