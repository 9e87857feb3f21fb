drop table app.onboarding_state, app.onboarding_steps;
drop function app.has_permission(uuid, text, text);
drop table app.user_roles, app.role_permissions, app.permissions, app.roles;
