"""The platform's contract (directories, result files, instances, metrics) and the process that runs under it."""
