"""Weight files: which a graph needs, where they lie, how they are fetched, whether a LoRA fits. Imports graph and what lies below it."""
