"""The preview engine: a marked storyboard of the same graph, without a GPU. Imports recipe and what lies below it."""
