"""What is not known: the point, the posterior, its coverage, and other ways to see the trial."""
