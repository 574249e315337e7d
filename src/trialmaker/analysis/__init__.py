"""Runs of many outputs: tables, statistics, reruns, and the best trial of a study."""
