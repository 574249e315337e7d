"""Runs of many outputs, side by side, wherever they were made.

A job's output holds an MLflow store of its own, whose artifacts' addresses are those of the machine that made it.
``outputs`` finds stores, ``snapshots`` reads one without touching it, ``relocation`` says where its artifacts lie now.
``merging`` makes one store of many, for MLflow's UI (``pages``) and for a team's server (``pushing``); ``runs`` reads
them without MLflow, for tables (``table``, ``seeds``, ``report``), for repetition and for housekeeping.
"""
