drop view app.users_masked, api.submitted_transactions, api.compliance_violations, api.asset_configuration,
    api.asset_metadata, api.asset_metrics, api.asset_compliance, api.compliance_rules, api.transaction_logs,
    api.identity_claims, api.verification_providers, api.asset_permissions, api.identities;
alter view api.chain_asset_metrics rename to asset_metrics;
alter view api.chain_asset_compliance rename to asset_compliance;
alter view api.chain_compliance_rules rename to compliance_rules;
alter view api.chain_transaction_logs rename to transaction_logs;
alter view api.chain_identity_claims rename to identity_claims;
alter view api.chain_verification_providers rename to verification_providers;
alter view api.chain_asset_permissions rename to asset_permissions;
alter view api.chain_identities rename to identities;
