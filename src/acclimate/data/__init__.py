"""Rows to batches: reading, checking, splitting, storing, batching. Knows no other room but core."""
