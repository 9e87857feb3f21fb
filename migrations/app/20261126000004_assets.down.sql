drop table app.provider_profiles, app.submitted_transactions, app.asset_reports, app.asset_benchmarks,
    app.asset_permissions, app.asset_settings, app.asset_metadata;
