"""One run, or one study, over all instances of a job."""
