"""What a run leaves behind for people: one self-contained HTML file."""
