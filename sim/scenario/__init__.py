"""What a user writes: parameters, distributions, evidence and the scenario files that hold them."""
