"""Where patients meet time and each other: places, stations and the pathway."""
