set local lock_timeout = '500ms';
delete from app.kept_rights where privilege = 'execute' and object = 'app.log_verdicts(p_chain_id bigint, p_at_most integer)';
drop function app.log_verdicts(bigint, integer), app.verdict_effect(bigint, bytea, bigint), app.wide_events(bigint);
comment on table app.compliance_logs is 'Checks that the application made, with their results.';
select app.keep_guards(array['function app.log_verdicts(p_chain_id bigint, p_at_most integer)',
    'function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint)',
    'function app.wide_events(p_chain_id bigint)']);
