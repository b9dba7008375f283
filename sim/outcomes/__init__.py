"""What is read off histories, and the exact twin that says what to expect."""
