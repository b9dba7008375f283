"""Who does the work, and where it is kept: tasks, workers, chunks and folders; no patients here."""
