"""The contract of the platform (directories, result files, instances, metrics) and the process that runs under it."""
