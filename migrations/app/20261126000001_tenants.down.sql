drop function app.months_ahead(), app.ensure_months(integer);
drop table app.monthly_tables, app.tenant_assets;
drop function app.current_tenant();
drop table app.tenant_logins, app.tenants;
drop function app.refuse_change(), app.touch(), app.correlation(), app.actor(), app.acting_user();
