"""The pure core: no Dagster, no cloud SDK, no environment, no clock."""
