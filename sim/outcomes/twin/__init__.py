"""The exact twin: what endpoints are on average, by integration instead of simulation."""
