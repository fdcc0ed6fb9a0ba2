"""The competitors: one ``.py`` (method) and one ``.yaml`` (card) each."""
