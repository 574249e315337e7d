"""Interrupted runs: finding the one that a command goes on with, and what that takes."""
