drop view app.user_preferences;
drop table app.integration_config, app.feature_flags, app.system_config;
drop function app.tell_configuration();
