"""MLflow stores of many outputs, merged into one, wherever they were made.

A job's output holds an MLflow store of its own, whose artifacts' addresses are those of the machine that made it.
``outputs`` finds stores, ``snapshots`` reads one without touching it, ``relocation`` says where its artifacts lie now.
``merging`` makes one store of many, by the statements of ``merge_sql``; ``runs`` reads it without MLflow; ``push``
brings it to a team's server.
"""
