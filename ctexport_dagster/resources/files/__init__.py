"""The files source: Parquet, NDJSON and CSV, read exactly and in bounded memory."""
