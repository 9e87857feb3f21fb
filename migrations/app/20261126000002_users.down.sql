drop function app.validate_session(text);
drop table app.wallet_links, app.verifications, app.accounts, app.sessions, app.user_settings, app.user_profiles,
    app.subject_keys, app.users;
