-- Which accounts are locked by failed logins, and from where did they come?
select l.user_id, count(*) as failures, max(l.timestamp) as last_at, array_agg(distinct l.ip_address) as addresses
from app.login_history l
where not l.success and l.timestamp > now() - interval '1 hour'
group by l.user_id
having count(*) >= 5
order by last_at desc;
