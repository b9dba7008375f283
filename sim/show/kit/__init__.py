"""What all pages and figures are made of: numbers, words, tables, axes."""
