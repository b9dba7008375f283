"""One file a shape; each draws from tables."""
