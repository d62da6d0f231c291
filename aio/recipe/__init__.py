"""What a run leaves: the clip under its final name, its recipe in it and beside it, no litter. Imports weights and what lies below it."""
