"""What executes a prompt: the Engine protocol and its implementations."""
