-- Who has this e-mail address?
-- $1 e-mail address
select id, username, status, created_at, last_activity_at from app.users where email_key = lower($1::text);
