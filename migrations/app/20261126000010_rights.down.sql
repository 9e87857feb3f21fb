grant execute on all functions in schema app to public;
revoke all on all tables in schema app from asset_indexer_app, asset_indexer_reader, asset_indexer_compliance,
    asset_indexer_auditor, asset_indexer_support;
revoke all on all functions in schema app from asset_indexer_app, asset_indexer_reader, asset_indexer_compliance,
    asset_indexer_auditor, asset_indexer_support, asset_indexer_writer;
revoke all on schema app from asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor,
    asset_indexer_support, asset_indexer_writer;
-- The roles and their memberships are the cluster's: they stay.
revoke all on api.identities, api.asset_permissions, api.verification_providers, api.identity_claims,
    api.transaction_logs, api.compliance_rules, api.asset_compliance, api.asset_metrics, api.asset_metadata,
    api.asset_configuration, api.compliance_violations, api.submitted_transactions from asset_indexer_reader, asset_indexer_app,
    asset_indexer_compliance, asset_indexer_auditor;
