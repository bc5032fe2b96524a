"""ctexport: an open export center for customer data, as Dagster assets."""

__version__ = "0.1.0"
