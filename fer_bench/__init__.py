"""fer-bench: which claims about facial expression recognition survive when everyone is measured the same way."""

__version__ = "0.2.0"
