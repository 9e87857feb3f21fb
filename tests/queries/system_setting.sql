-- What is a setting of the platform, and how long may it be kept?
-- $1 key
select value, type, cache_seconds from app.system_config where key = $1::text;
