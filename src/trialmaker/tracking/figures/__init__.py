"""The figures of a run, drawn by matplotlib in the tracking process."""
