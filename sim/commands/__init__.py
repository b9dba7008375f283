"""What is done: studies that end in a folder, called by the command line and by ``import sim``."""
