"""Many runs of a scenario: Monte Carlo, sweeps and calibration."""
