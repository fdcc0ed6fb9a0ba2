"""fer-bench: which claims about facial expression recognition survive when everyone is measured the same way."""

__version__ = "0.1.0"
