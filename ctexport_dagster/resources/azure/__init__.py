"""Azure: Blob Storage, a Data Landing Zone, and ADLS Gen2."""
