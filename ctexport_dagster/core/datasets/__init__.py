"""Datasets: tables that are exported as they are, without the profile model."""
