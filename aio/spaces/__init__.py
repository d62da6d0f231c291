"""Hugging Face Spaces: start-up, publishing, and the GPU calls of ZeroGPU."""
