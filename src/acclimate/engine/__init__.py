"""Training steps, and nothing about techniques."""
