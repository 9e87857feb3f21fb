set local lock_timeout = '500ms';
delete from app.kept_rights where object in ('ops.stated_targets', 'ops.target_measurements', 'ops.targets');
