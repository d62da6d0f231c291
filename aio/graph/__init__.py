"""Graphs in API format: patches, node schema, bounds, shapes, GPU seconds. Imports config and what lies below it."""
