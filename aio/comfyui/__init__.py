"""The real engine: ComfyUI at its pin, in this process; its set-up, and tiny weights for it. Imports recipe and what lies below."""
