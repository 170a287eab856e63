"""Text to vectors: the encoder, its folder on disk, and what a method needs to edit it."""
