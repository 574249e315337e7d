"""Where config meets the parts: one run, one study, and how they start."""
