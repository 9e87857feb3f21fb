drop table app.report_violations, app.regulatory_reports, app.violation_resolutions, app.compliance_violations,
    app.asset_compliance, app.compliance_rule_versions, app.compliance_rules;
drop function app.refuse_late_violation(), app.refuse_submitted(), app.keep_rule_version();
