"""The page on which somebody asks "what if" and sees the answer at once."""
