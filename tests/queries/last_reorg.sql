-- Which rows did the last reorg of a chain take back or restore, and what were they?
-- $1 chain id
-- The rows of one reorg stand together and name the block that replaced theirs.
with last as (
    select replaced_by, id from api.audit_trail
    where chain_id = $1::bigint and actor = 'reorg'
    order by id desc limit 1
), other as (
    select max(t.id) as id from api.audit_trail t join last on t.id < last.id
    where t.chain_id = $1::bigint and (t.actor <> 'reorg' or t.replaced_by <> last.replaced_by)
)
select t.id, t.timestamp, t.block_number, t.entity_type, t.entity_id, t.action, t.old_state, t.new_state, t.replaced_by
from api.audit_trail t cross join last cross join other
where t.chain_id = $1::bigint and t.id > coalesce(other.id, 0) and t.id <= last.id
order by t.id;
