"""The only code that touches the inside of Gradio."""
