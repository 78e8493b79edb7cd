"""Everything that knows the inside of Gradio.

The rest of the page uses `import gradio` and its documented interface only.
"""
