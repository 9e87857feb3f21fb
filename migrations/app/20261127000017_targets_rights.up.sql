-- The rights on the targets, approved by name: nobody who has the application's tables is told of them as of a stranger's.
set local lock_timeout = '500ms';
insert into app.kept_rights
select grantee, object, 'select'
from unnest('{asset_indexer_writer,asset_indexer_reader}'::text[]) grantee,
    unnest('{ops.stated_targets,ops.target_measurements,ops.targets}'::text[]) object
on conflict do nothing;
