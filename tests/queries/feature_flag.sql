-- Is a feature switched on, for whom, and how long may that be kept?
-- $1 feature
select enabled, conditions, cache_seconds from app.feature_flags where feature = $1::text;
