"""The service by which a job's instances wait for each other, agree, see who is gone, and send the first one files."""
