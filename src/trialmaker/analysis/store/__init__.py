"""MLflow stores of many outputs, merged into one, wherever they were made.

The output of a job holds an MLflow store of its own. The artifact addresses in it are those of the machine that ran the
job. ``outputs`` finds stores, ``snapshots`` opens one without changing it, ``relocation`` maps its artifact addresses
to where the files lie now. ``merging`` merges many stores into one with the statements of ``merge_sql``; ``runs`` reads
the merged store without MLflow; ``push`` copies its runs to a team's MLflow server.
"""
