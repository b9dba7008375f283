"""What was seen in patients of one's own: read from a table, described, and how likely the model finds it."""
