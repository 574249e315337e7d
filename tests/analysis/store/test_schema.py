"""MLflow's schema, compared with the tables and columns that a merge copies."""

from mlflow.store.db.base_sql_model import Base

from trialmaker.analysis.store import merge_sql

# Tables that are not merged, and why.
UNMERGED_TABLES = {
    "prompts of and traces from language models, and their evaluation": {
        *(
            "trace_info",
            "trace_tags",
            "trace_request_metadata",
            "trace_metrics",
            "spans",
            "span_metrics",
            "assessments",
        ),
        *("sql_trace_metric_daily_rollups", "sql_span_cost_daily_rollups", "sql_assessment_daily_rollups"),
        *(
            "sql_trace_rollup_rebuild_queue",
            "evaluation_datasets",
            "evaluation_dataset_tags",
            "evaluation_dataset_records",
        ),
        *("entity_associations", "scorers", "scorer_versions", "online_scoring_configs", "issues"),
        *("label_schemas", "review_queues", "review_queue_users", "review_queue_items", "review_queue_label_schemas"),
    },
    "settings and secrets of one server": {
        *("secrets", "endpoints", "model_definitions", "endpoint_model_mappings", "endpoint_bindings", "endpoint_tags"),
        *("budget_policies", "guardrails", "guardrail_configs", "webhooks", "webhook_events", "workspaces", "jobs"),
        *("job_locks", "scheduler_leases", "mcp_servers", "mcp_server_versions", "mcp_server_tags"),
        *("mcp_server_version_tags", "mcp_server_aliases", "mcp_access_endpoints"),
    },
}
# Columns of merged tables whose names contain such a word, and that hold no artifact address.
OTHER_COLUMNS = {
    ("runs", "source_type"), ("runs", "source_name"), ("runs", "source_version"),  # which script, as it was called
    ("datasets", "dataset_profile"),
    ("datasets", "dataset_source_type"), ("datasets", "dataset_source"),  # where the data came from at that time
    ("inputs", "source_type"), ("inputs", "source_id"), ("logged_models", "source_run_id"),
}  # fmt: skip
PLACE_WORDS = ("location", "uri", "url", "path", "dir", "source", "root", "file", "storage")


def test_every_table_and_every_column_that_may_hold_an_address_is_listed() -> None:
    """A new version of MLflow that adds a table or an address fails here, and does not lose artifacts."""
    schema = {name: {column.name for column in table.columns} for name, table in Base.metadata.tables.items()}
    assert set(schema) == {"experiments", *merge_sql.MERGED_TABLES}.union(*UNMERGED_TABLES.values())
    for table in ("experiments", *merge_sql.MERGED_TABLES):
        candidates = {name for name in schema[table] if any(word in name for word in PLACE_WORDS)}
        columns = merge_sql.ADDRESS_COLUMNS.get(table, set()) | {
            name for where, name in OTHER_COLUMNS if where == table
        }
        assert candidates == columns & schema[table], table
