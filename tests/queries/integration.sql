-- How is a service used, and how does it fare?
-- $1 service
select config_data, enabled, last_success_at, last_error, cache_seconds from app.integration_config where service = $1::text;
