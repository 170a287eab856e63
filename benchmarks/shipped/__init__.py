"""Builds what the package ships in ``acclimate/assets``: demo data, general probe, unlabeled guard text."""
