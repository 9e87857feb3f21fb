-- The register: asset 0 with $HOLDERS$ holders, each changed $ROUNDS$ times, 100 changes a block as a chain brings them; and
-- $ASSETS$ assets in all, whose $TRANSACTIONS$ movements fill the same blocks. Loaded past the indexer: what is measured is
-- reading and writing, not folding.
set session_replication_role = replica;
set synchronous_commit = off;
set work_mem = '256MB';
insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
    finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
select 1, sha256('g'), n, hash, sha256('p'), at, n, hash, 'running', 0, sha256('g'), 0, sha256('g')
from bench.block order by n desc limit 1;

-- Assets, who manages them and which suite they belong to.
insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, paused,
    created_block, created_at, name, symbol, decimals)
select 1, a.address, a.id, case when a.is_trex then 'erc3643' else 'erc20' end, 3000000 * 1000000000000::numeric, 3,
    case when a.is_trex then a.n % 10 = 9 end, b.n, b.at, 'Asset ' || a.n, 'A' || a.n, 18
from bench.asset a join bench.block b on b.n = a.n % $BLOCKS$
order by a.n;
insert into ops.coverage (chain_id, address, from_block) select 1, address, 0 from bench.asset;
insert into chain.asset_permissions (chain_id, address, permission_type, account, from_block, from_log, asset_id, granted_in, from_at)
select 1, a.address, 'agent', w.address, b.n, a.n, a.id, b.tx, b.at
from bench.asset a join bench.wallet w on w.n = a.n * 31 % $USERS$ join bench.block b on b.n = a.n % $BLOCKS$
where a.is_trex;
insert into chain.contract_links (chain_id, address, link, slot, from_block, from_log, target, from_at)
select 1, l.address, l.link, l.slot, 0, l.log, l.target, timestamptz '2021-11-01'
from (
    select a.address, 'identity_registry' as link, chain.zero_address() as slot, a.n as log, s.registry as target
    from bench.asset a join bench.suite s on s.n = a.suite where a.is_trex
    union all
    select a.address, 'compliance', chain.zero_address(), a.n, s.compliance
    from bench.asset a join bench.suite s on s.n = a.suite where a.is_trex
    union all
    select a.address, 'onchain_id', chain.zero_address(), a.n, substr(sha256(('onchain' || a.n)::bytea), 1, 20)
    from bench.asset a where a.is_trex
    union all
    select s.registry, x.link, chain.zero_address(), s.n, x.target
    from bench.suite s
    cross join lateral (values ('storage', s.storage), ('claim_topics', s.topics), ('trusted_issuers', s.issuers)) x (link, target)
) l;
insert into chain.required_topics (chain_id, registry, topic, from_block, from_log, from_at)
select 1, s.topics, t, 0, t, timestamptz '2021-11-01' from bench.suite s, unnest('{1,7}'::bigint[]) t;
insert into chain.verification_providers (chain_id, registry, issuer, from_block, from_log, topics, from_at)
select 1, s.issuers, i.address, 0, i.n, '{1,7}', timestamptz '2021-11-01' from bench.suite s, bench.issuer i;
insert into chain.contracts (chain_id, address, role, announced_by, announced_block, announced_log, announced_as)
select distinct on (i.address) 1, i.address, 'identity', s.issuers, 0, i.n, 'TrustedIssuerAdded'
from bench.suite s, bench.issuer i order by i.address, s.n;
insert into chain.identity_keys (chain_id, identity, key_hash, purpose, from_block, from_log, key_type, from_at)
select 1, i.address, i.key, 3, 0, i.n, 1, timestamptz '2021-11-01' from bench.issuer i;

-- Who is who: a wallet in fifty shares the identity of the one before it; of a hundred claims one has a forged signature, one
-- is revoked, and three are missing.
insert into chain.identities (chain_id, id, onchain_id, first_block, first_at)
select 1, identity_id, identity, 1, timestamptz '2021-11-01' from bench.wallet order by n;
insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country, undetermined, from_at)
select 1, s.storage, w.address, 1 + w.n % 50, w.n, i.identity, i.identity_id, (array[756, 276, 528, 250, 840])[1 + w.n % 5], false,
    timestamptz '2021-11-01'
from bench.wallet w
join bench.wallet i on i.n = case when w.n % 50 = 49 then w.n - 1 else w.n end
join bench.suite s on s.n = 0 and w.n < $HOLDERS$ or s.n = 1 + w.n % 19 and w.n < $USERS$
order by s.n, w.n;
insert into chain.identity_claims (chain_id, identity, claim_id, from_block, from_log, id, identity_id, claim_type, scheme,
    issuer, id_matches, signature, signature_hash, signer_key, claim_data, uri, transaction_hash, from_at)
select 1, w.identity, sha256(i.address || int8send(t)), 2 + w.n % 50, 2 * w.n + t / 7, md5('claim' || t || '/' || w.n)::uuid,
    w.identity_id, t, 1, i.address, true, sha256(('r' || t || w.n)::bytea) || sha256(('s' || t || w.n)::bytea) || '\x1b'::bytea,
    sha256(('c' || t || '/' || w.n)::bytea), case when w.n % 100 = 17 then sha256('forged') else i.key end,
    sha256(('d' || w.n)::bytea), '', b.tx, b.at
from bench.wallet w
join bench.issuer i on i.n = w.n % 3
join bench.block b on b.n = 2 + w.n % 50
cross join unnest('{1,7}'::bigint[]) t
where w.n % 100 not in (3, 5) or t = 1
order by w.n, t;
insert into chain.claim_revocations (chain_id, issuer, signature_hash, revoked_block, revoked_log, revoked_at, transaction_hash)
select 1, i.address, sha256(('c1/' || w.n)::bytea), b.n, w.n, b.at, b.tx
from bench.wallet w join bench.issuer i on i.n = w.n % 3 join bench.block b on b.n = 60 + w.n % 20
where w.n % 100 = 29;

-- The past of asset 0. Rounds go through the wallets in an order of their own: a wallet's changes lie far apart.
insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen, wallet_frozen,
    block_hash, timestamp, transaction_hash)
select 1, $ASSET$, w.address, b.n, i % 100, md5('h' || i)::uuid,
    (i * 265443576 % 1000000007) * 1000000000000::numeric + i, 0, w.n % 1000 = 7, b.hash, b.at, b.tx
from generate_series(0::bigint, $CHANGES$ - 1) i
join bench.wallet w on w.n = i * 7919 % $HOLDERS$
join bench.block b on b.n = i / 100 + 1
order by i;
insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block,
    updated_at)
select distinct on (holder) 1, asset_id, holder, balance, frozen, wallet_frozen, 1, block_number, timestamp
from chain.ownership_history
where block_number > ($CHANGES$ - $HOLDERS$) / 100
order by holder, block_number desc, log_index desc;
-- The others have three holders each.
create unlogged table bench.held as
select a.id as asset_id, w.address as holder, 1000000 * 1000000000000::numeric as balance, b.n as block_number, a.n * 3 + j as n,
    b.hash, b.at, b.tx
from bench.asset a cross join generate_series(0, 2) j
join bench.wallet w on w.n = (a.n * 104729 + j * 7919) % least($HOLDERS$, $USERS$)
join bench.block b on b.n = a.n % $BLOCKS$
where a.n > 0;
insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block, updated_block, updated_at)
select 1, asset_id, holder, balance, 0, false, block_number, block_number, at from bench.held order by n;
insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen, wallet_frozen,
    block_hash, timestamp, transaction_hash)
select 1, asset_id, holder, block_number, 1000000 + n, md5('g' || n)::uuid, balance, 0, false, hash, at, tx from bench.held order by n;
update chain.assets a set (total_supply, holder_count) = (
    select sum(h.balance), count(*) from chain.asset_holders h where h.chain_id = 1 and h.asset_id = $ASSET$)
where a.chain_id = 1 and a.id = $ASSET$;
