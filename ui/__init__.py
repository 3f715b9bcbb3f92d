"""What people touch: the `lookalike` command, the Gradio page and the HTTP API."""
