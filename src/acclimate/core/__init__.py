"""The shared nouns: errors, files, seeds, batches. Knows no other room."""
