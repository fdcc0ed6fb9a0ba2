"""From tables to what people read: LaTeX, figures, Markdown."""
