-- What does a user prefer, and how long may that be kept?
-- $1 user (uuid)
select preferences, cache_seconds from app.user_preferences where user_id = $1::uuid;
