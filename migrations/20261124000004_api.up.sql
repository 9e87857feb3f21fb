-- What people and tools read: views and functions in schema api, and the verdicts behind them.
--
-- Verdicts are computed when they are read. An issuer that loses trust, a key that is removed or a contract that is
-- found late then changes no row, however many wallets it concerns.
--
-- Bodies are BEGIN ATOMIC: parsed once, here, so neither a reader's search_path nor missing USAGE on ops matters. The
-- SQL functions are single SELECTs without settings of their own, because PostgreSQL inlines only those into the
-- asking query, which then is planned as a whole. OFFSET 0 marks what must be computed once and not again at each use.

-- Text and numbers -----------------------------------------------------------------------------------------------

create function api.hex(p_bytes bytea) returns text
language sql immutable parallel safe
return '0x' || encode(p_bytes, 'hex');
comment on function api.hex is 'Bytes as people write them: 0x and lower-case hexadecimal digits.';

create function api.address(p_text text) returns bytea
language plpgsql immutable strict parallel safe as $$
begin
    if p_text !~ '^0[xX][0-9a-fA-F]{40}$' then
        raise exception 'not an address: %', left(p_text, 80)
            using errcode = 'invalid_text_representation', hint = 'An address is 0x and 40 hexadecimal digits.';
    end if;
    return decode(substr(p_text, 3), 'hex');
end
$$;
comment on function api.address is 'The 20 bytes of an address given as 0x text in any case; an error for anything else. For the _bytes columns.';

create function api.units(p_amount numeric, p_decimals bigint) returns numeric
language sql immutable parallel safe
return p_amount * ('1e-' || p_decimals::text)::numeric;
comment on function api.units is 'Base units as units of an asset: exact, with as many decimal places as the asset has; null where they are not known.';

create function chain.block_of(p_fact uuid) returns bigint
language sql immutable parallel safe
return ('x' || substr(p_fact::text, 1, 8) || substr(p_fact::text, 10, 4))::bit(48)::bigint;
comment on function chain.block_of is 'The block of a fact (event, transaction, operation, history or claim row), from the first 48 bits of its id. Meaningless for assets and identities.';

create function chain.zero_address() returns bytea
language sql immutable parallel safe
return '\x0000000000000000000000000000000000000000'::bytea;
comment on function chain.zero_address is 'The address of nobody: as a link''s slot, the one target there can be.';

create function chain.finality(p_block bigint, p_finalized bigint) returns text
language sql immutable parallel safe
return case when p_block <= p_finalized then 'final' when p_block is not null then 'provisional' end;
comment on function chain.finality is 'final for a block at or below the newest final one, else provisional: a reorg may still take it back.';

create function chain.in_force(p_from_block bigint, p_to_block bigint, p_at_block bigint) returns boolean
language sql immutable parallel safe
return case
    when p_at_block is null then p_to_block is null
    else p_from_block <= p_at_block and (p_to_block is null or p_to_block > p_at_block)
end;
comment on function chain.in_force is 'Whether a version is the one in force at the end of a block; now, where no block is given.';

create function chain.is_behind(p_through_block bigint, p_at_block bigint) returns boolean
language sql immutable parallel safe
return p_through_block is not null and (p_at_block is null or p_through_block < p_at_block);
comment on function chain.is_behind is 'Whether a contract that is catching up has not been read to a block yet (to the checkpoint, where none is given).';

-- Indexes for the questions below, which the keys and indexes of the tables do not answer -------------------------

-- asset_holders, ownership_history, holders_at: an asset is asked for by its id alone, and the chain follows from it.
create index assets_id on chain.assets (id);
-- identities, identity_claims, claims_at: likewise.
create index identities_id on chain.identities (id);
-- identities.wallets and identities.verification_status: the wallets of an identity, whatever the storage.
create index registrations_identity_wallets on chain.registrations (chain_id, identity) where to_block is null;
-- verdicts and assets.catching_up: the few contracts that are behind; empty as a rule, so asking costs nothing.
create index coverage_behind on ops.coverage (chain_id, address) where through_block is not null;

-- Verdicts ---------------------------------------------------------------------------------------------------------

create function chain.verification_rules(p_chain_id bigint, p_registry bytea, p_at_block bigint)
returns table (storage bytea, required numeric[], offered numeric[], trusted bytea[], keys bytea[], unknown bytea[],
    unsettled boolean)
language sql stable parallel safe rows 1
begin atomic
    select r.storage, r.required,
        case when r.issuers_registry is not null then array(
            select distinct t.topic from chain.verification_providers p cross join unnest(p.topics) t(topic)
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
        ) end,
        array(
            select p.issuer || numeric_send(t.topic)
            from chain.verification_providers p cross join unnest(p.topics) t(topic)
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block) and t.topic = any (r.required)
        ),
        array(
            select distinct k.identity || k.key_hash
            from chain.verification_providers p
            join chain.identity_keys k on k.chain_id = p.chain_id and k.identity = p.issuer
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
                and k.purpose in (1, 3) and chain.in_force(k.from_block, k.to_block, p_at_block)
        ),
        array(
            select p.issuer::bytea from chain.verification_providers p
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
                and (not exists (
                        select from chain.identity_keys k where k.chain_id = p.chain_id and k.identity = p.issuer)
                    or exists (
                        select from ops.coverage v where v.chain_id = p.chain_id and v.address = p.issuer
                            and v.through_block is not null and chain.is_behind(v.through_block, p_at_block)))
        ),
        exists (
            select from ops.coverage v where v.chain_id = p_chain_id
                and v.address in (p_registry, r.storage, r.topics_registry, r.issuers_registry)
                and v.through_block is not null and chain.is_behind(v.through_block, p_at_block))
    from (
        select s.target::bytea as storage, t.target::bytea as topics_registry, i.target::bytea as issuers_registry,
            case when t.target is not null then array(
                select q.topic from chain.required_topics q
                where q.chain_id = p_chain_id and q.registry = t.target
                    and chain.in_force(q.from_block, q.to_block, p_at_block)
                order by q.topic
            ) end as required
        from (values (1)) one(row)
        left join chain.contract_links s on s.chain_id = p_chain_id and s.address = p_registry
            and s.link = 'storage' and chain.in_force(s.from_block, s.to_block, p_at_block)
        left join chain.contract_links t on t.chain_id = p_chain_id and t.address = p_registry
            and t.link = 'claim_topics' and chain.in_force(t.from_block, t.to_block, p_at_block)
        left join chain.contract_links i on i.chain_id = p_chain_id and i.address = p_registry
            and i.link = 'trusted_issuers' and chain.in_force(i.from_block, i.to_block, p_at_block)
        offset 0
    ) r
    offset 0;
end;
comment on function chain.verification_rules is
'What an identity registry demands, in one row: its storage; the required topics; the topics for which anybody is trusted; the trusted pairs of issuer and topic; the pairs of issuer and key that may sign claims; issuers whose keys are not known (no ONCHAINID, or still catching up); and whether any of the registry''s contracts is still catching up. Null where the contract behind it is not known.';

create function chain.judge(p_chain_id bigint, p_identity bytea, p_undetermined boolean, p_required numeric[],
    p_offered numeric[], p_trusted bytea[], p_keys bytea[], p_unknown bytea[], p_unsettled boolean, p_at_block bigint)
returns table (verdict text, valid_now boolean, reason text)
language sql stable parallel safe rows 1
begin atomic
    select v.verdict,
        case v.verdict when 'verified' then p_required <@ m.valid_now when 'not_verified' then false end,
        case
            when v.verdict = 'verified' then null
            when p_unsettled then 'a contract of the registry is catching up'
            when p_required is null then 'claim topics registry not known'
            when p_offered is null then 'trusted issuers registry not known'
            when v.verdict = 'undetermined' and p_undetermined then 'undetermined identity'
            when v.verdict = 'undetermined' and m.is_behind then 'identity is catching up'
            else (
                select 'topic ' || t.topic::text || ': ' || case
                    when not (t.topic = any (p_offered)) then 'no trusted issuer'
                    when t.topic = any (m.unknown) then 'issuer''s keys not known'
                    when t.topic = any (m.revoked) then 'claim revoked'
                    when t.topic = any (m.unsigned) then 'claim not signed by a key of its issuer'
                    else 'no claim of a trusted issuer'
                end
                from unnest(p_required) t(topic)
                where case
                    when not p_required <@ p_offered then not (t.topic = any (p_offered))
                    when v.verdict = 'undetermined' then not (t.topic = any (m.valid))
                    else not (t.topic = any (m.valid || m.unknown))
                end
                order by t.topic limit 1)
        end
    from (
        select coalesce(array_agg(c.topic) filter (where c.state = 'valid'), '{}') as valid,
            coalesce(array_agg(c.topic) filter (
                where c.state = 'valid' and (c.expires_at is null or c.expires_at > now())), '{}') as valid_now,
            coalesce(array_agg(c.topic) filter (where c.state = 'unknown'), '{}') as unknown,
            coalesce(array_agg(c.topic) filter (where c.state = 'revoked'), '{}') as revoked,
            coalesce(array_agg(c.topic) filter (where c.state = 'unsigned'), '{}') as unsigned,
            exists (
                select from ops.coverage v where v.chain_id = p_chain_id and v.address = p_identity
                    and v.through_block is not null and chain.is_behind(v.through_block, p_at_block)) as is_behind
        from (
            select k.claim_type as topic, k.expires_at,
                case
                    when exists (
                        select from chain.claim_revocations x
                        where x.chain_id = k.chain_id and x.issuer = k.issuer and x.signature_hash = k.signature_hash
                            and (p_at_block is null or x.revoked_block <= p_at_block)) then 'revoked'
                    when k.issuer = any (p_unknown) then 'unknown'
                    when k.issuer || k.signer_key = any (p_keys) then 'valid'
                    else 'unsigned'
                end as state
            from chain.identity_claims k
            where k.chain_id = p_chain_id and k.identity = p_identity
                and chain.in_force(k.from_block, k.to_block, p_at_block)
                and k.id_matches and k.issuer || numeric_send(k.claim_type) = any (p_trusted)
            offset 0
        ) c
    ) m
    cross join lateral (
        select case
            when p_unsettled or p_required is null then 'undetermined'
            when cardinality(p_required) = 0 then 'verified'
            when p_offered is null then 'undetermined'
            when not p_required <@ p_offered then 'not_verified'
            when p_undetermined or m.is_behind then 'undetermined'
            when p_required <@ m.valid then 'verified'
            when p_required <@ (m.valid || m.unknown) then 'undetermined'
            else 'not_verified'
        end as verdict
    ) v;
end;
comment on function chain.judge is
'The verdict on a registered identity under the rules of a registry (chain.verification_rules), one row. For each required topic one claim has to count: in force, of an issuer trusted for the topic and under the id that belongs to both, not revoked, signed by a key that its issuer holds for managing (1) or signing claims (3). An identity that attests itself by code of its own, which deceives isVerified (ERC-3643 issue 101), has no such claim.';

create function chain.verdicts(p_chain_id bigint, p_registry bytea default null, p_at_block bigint default null)
returns table (registry bytea, storage bytea, wallet bytea, identity bytea, country bigint, verdict text,
    valid_now boolean, reason text)
language sql stable parallel safe
begin atomic
    select l.address::bytea, g.storage, r.wallet::bytea, r.identity::bytea, r.country, v.verdict, v.valid_now, v.reason
    from chain.contract_links l
    cross join lateral chain.verification_rules(p_chain_id, l.address, p_at_block) g
    join chain.registrations r on r.chain_id = p_chain_id and r.storage = g.storage
        and chain.in_force(r.from_block, r.to_block, p_at_block)
        and r.identity <> chain.zero_address()
    cross join lateral chain.judge(p_chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_at_block) v
    where l.chain_id = p_chain_id and l.link = 'storage' and chain.in_force(l.from_block, l.to_block, p_at_block)
        and (p_registry is null or l.address = p_registry);
end;
comment on function chain.verdicts is
'What IdentityRegistry.isVerified (T-REX 4.1.6) answers, where identities run the code of ONCHAINID, for each registered wallet of a registry, or of all registries of the chain, at the end of a block, or now: verified, not_verified, or undetermined where the logs do not tell, with the reason. valid_now also asks that the claims have not expired by their own data, which T-REX does not look at; it is about today whatever the block. Call it in FROM.';

create function chain.verdict(p_chain_id bigint, p_registry bytea, p_wallet bytea, p_at_block bigint default null)
returns table (registry bytea, storage bytea, wallet bytea, identity bytea, country bigint, verdict text,
    valid_now boolean, reason text)
language sql stable parallel safe rows 1
begin atomic
    select p_registry, g.storage, p_wallet, r.identity::bytea, r.country,
        case
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case when r.identity is not null then v.valid_now when g.storage is not null and not g.unsettled then false end,
        case
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end
    from chain.verification_rules(p_chain_id, p_registry, p_at_block) g
    left join chain.registrations r on r.chain_id = p_chain_id and r.storage = g.storage and r.wallet = p_wallet
        and chain.in_force(r.from_block, r.to_block, p_at_block)
        and r.identity <> chain.zero_address()
    cross join lateral chain.judge(p_chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_at_block) v;
end;
comment on function chain.verdict is
'chain.verdicts for one wallet: always one row, also for a wallet that is not registered. Call it in FROM.';

create function chain.verdicts_of(p_chain_id bigint, p_identity bytea)
returns table (registry bytea, wallet bytea, verdict text, valid_now boolean, reason text)
language sql stable parallel safe rows 1
begin atomic
    select l.address::bytea, r.wallet::bytea, v.verdict, v.valid_now, v.reason
    from chain.registrations r
    join chain.contract_links l on l.chain_id = r.chain_id and l.target = r.storage and l.link = 'storage'
        and l.to_block is null
    cross join lateral chain.verification_rules(p_chain_id, l.address, null) g
    cross join lateral chain.judge(p_chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, null) v
    where r.chain_id = p_chain_id and r.identity = p_identity and r.to_block is null
        and r.identity <> chain.zero_address();
end;
comment on function chain.verdicts_of is
'chain.verdicts now, for one identity: a row for each of its wallets and each registry that knows the wallet. Call it in FROM.';

-- Views ------------------------------------------------------------------------------------------------------------
-- Columns keep the names of their tables or of the seed; 0x text is for people. Beside the texts by which rows are
-- looked up stand the indexed bytes: where holder_bytes = api.address('0x…').

create view api.checkpoints with (security_invoker = true) as
select k.chain_id, k.block_number, api.hex(k.block_hash) as block_hash, k.block_timestamp,
    k.finalized_number, api.hex(k.finalized_hash) as finalized_hash, api.hex(k.genesis_hash) as genesis_hash,
    k.status, k.halt_reason
from chain.checkpoints k;
comment on view api.checkpoints is 'How far each chain is indexed. Only facts: how far that is behind is for the reader''s clock to say.';

create view api.assets with (security_invoker = true) as
select a.chain_id, a.id, api.hex(a.contract_address) as contract_address, a.asset_type, a.name, a.symbol, a.decimals,
    a.version, case when a.paused then 'paused' else 'active' end as status, a.paused,
    api.units(a.total_supply, a.decimals) as total_supply, a.total_supply as total_supply_base, a.holder_count,
    api.hex(r.target) as identity_registry, api.hex(c.target) as compliance, api.hex(o.target) as onchain_id,
    a.complete_from, v.through_block is not null as catching_up,
    a.negative_balance, a.exceeds_uint256, a.unreadable_logs, a.created_block, a.created_at,
    a.contract_address::bytea as contract_address_bytes,
    k.block_number as as_of_block, chain.finality(a.created_block, k.finalized_number) as finality
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address
left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
    and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
left join chain.contract_links o on o.chain_id = a.chain_id and o.address = a.contract_address
    and o.link = 'onchain_id' and o.slot = chain.zero_address() and o.to_block is null;
comment on view api.assets is 'Tokenized assets, one row a token contract, as of the checkpoint.';
comment on column api.assets.status is 'paused while transfers are stopped, else active.';
comment on column api.assets.total_supply is 'Sum of mints less burns, in units; null where decimals are not known.';
comment on column api.assets.total_supply_base is 'The same in base units.';
comment on column api.assets.identity_registry is 'The identity registry that the token points to now.';
comment on column api.assets.compliance is 'The compliance contract that the token points to now.';
comment on column api.assets.onchain_id is 'The token''s own identity.';
comment on column api.assets.catching_up is 'The contract was added later and its past is still being read: the row is not complete yet.';
comment on column api.assets.finality is 'Of the block that made the row; supply and counts are as of as_of_block.';

create view api.asset_events with (security_invoker = true) as
select e.chain_id, e.id, e.asset_id, e.event_type, e.event_data, e.unreadable, e.block_number, e.log_index,
    api.hex(e.block_hash) as block_hash, e.block_timestamp, api.hex(e.transaction_hash) as transaction_hash,
    e.transaction_index, api.hex(e.address) as address, e.role, api.hex(e.topic0) as topic0,
    api.hex(e.topic1) as topic1, api.hex(e.topic2) as topic2, api.hex(e.topic3) as topic3, api.hex(e.data) as data,
    e.address::bytea as address_bytes, e.transaction_hash::bytea as transaction_hash_bytes,
    k.block_number as as_of_block, chain.finality(e.block_number, k.finalized_number) as finality
from chain.asset_events e
left join chain.checkpoints k on k.chain_id = e.chain_id;
comment on view api.asset_events is 'Every log of every watched contract, decoded where its ABI is known. An event by its id: where block_number = chain.block_of(id) and id = …';

create view api.asset_transactions with (security_invoker = true) as
select t.chain_id, t.id, t.asset_id, api.hex(t.transaction_hash) as transaction_hash, t.operation_type,
    case when t.block_number <= k.finalized_number then 'finalized' else 'included' end as status,
    t.block_number, t.log_index, api.hex(t.block_hash) as block_hash, t.block_timestamp, t.transaction_index,
    t.event_count, t.transfer_count, api.units(t.amount, a.decimals) as amount, t.amount as amount_base,
    t.transaction_hash::bytea as transaction_hash_bytes,
    k.block_number as as_of_block, chain.finality(t.block_number, k.finalized_number) as finality
from chain.asset_transactions t
left join chain.assets a on a.chain_id = t.chain_id and a.id = t.asset_id
left join chain.checkpoints k on k.chain_id = t.chain_id;
comment on view api.asset_transactions is 'One row for each transaction that touched an asset, with what it was.';
comment on column api.asset_transactions.status is 'finalized once its block is final, else included.';
comment on column api.asset_transactions.amount is 'Sum of the units moved; null where decimals are not known.';
comment on column api.asset_transactions.amount_base is 'The same in base units.';

create view api.asset_operations with (security_invoker = true) as
select o.chain_id, o.id, o.asset_id, o.transaction_id, o.operation_type, api.hex(o.from_address) as from_address,
    api.hex(o.to_address) as to_address, api.units(o.amount, a.decimals) as amount, o.amount as amount_base,
    o.parameters, o.executed_at, api.hex(o.executed_by) as executed_by, o.block_number, o.log_index,
    api.hex(o.block_hash) as block_hash, api.hex(o.transaction_hash) as transaction_hash,
    k.block_number as as_of_block, chain.finality(o.block_number, k.finalized_number) as finality
from chain.asset_operations o
left join chain.assets a on a.chain_id = o.chain_id and a.id = o.asset_id
left join chain.checkpoints k on k.chain_id = o.chain_id;
comment on view api.asset_operations is 'What was more than a plain transfer: mint, burn, forced transfer, recovery, freeze, pause, roles, links.';
comment on column api.asset_operations.amount is 'Units concerned; null where there are none or decimals are not known.';
comment on column api.asset_operations.amount_base is 'The same in base units.';

create view api.asset_holders with (security_invoker = true) as
select h.chain_id, h.asset_id, api.hex(h.holder) as holder_address,
    api.units(h.balance, a.decimals) as balance, h.balance as balance_base,
    api.units(h.frozen, a.decimals) as frozen, h.frozen as frozen_base,
    api.units(case when h.wallet_frozen then 0 else greatest(h.balance - h.frozen, 0) end, a.decimals) as available,
    case when h.wallet_frozen then 0 else greatest(h.balance - h.frozen, 0) end as available_base,
    case when a.total_supply > 0 then round(h.balance * 100 / a.total_supply, 8) end as percentage,
    h.wallet_frozen,
    case
        when l.target is null or g.storage is null or g.unsettled then null
        when r.identity is null or r.identity = chain.zero_address() then false
        else (
            select case v.verdict when 'verified' then true when 'not_verified' then false end
            from chain.judge(h.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
                g.unknown, g.unsettled, null) v)
    end as verified,
    r.country, api.hex(r.identity) as identity, r.identity_id, h.first_block, h.updated_block, h.updated_at,
    a.complete_from, h.holder::bytea as holder_bytes,
    k.block_number as as_of_block, chain.finality(h.updated_block, k.finalized_number) as finality
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
    and l.link = 'identity_registry' and l.slot = chain.zero_address() and l.to_block is null
left join lateral chain.verification_rules(a.chain_id, l.target, null) g on l.target is not null
join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id
left join chain.registrations r on r.chain_id = h.chain_id and r.storage = g.storage and r.wallet = h.holder
    and r.to_block is null;
comment on view api.asset_holders is 'The register as of the checkpoint: each wallet that holds an asset, ever held it or was frozen in it. Today''s holders: where balance_base <> 0. The largest first without sorting: order by balance_base desc.';
comment on column api.asset_holders.holder_address is 'The wallet.';
comment on column api.asset_holders.balance is 'Units held; null where decimals are not known.';
comment on column api.asset_holders.balance_base is 'The same in base units; below zero where the logs do not explain what was spent.';
comment on column api.asset_holders.frozen is 'Units of the balance that the holder may not move.';
comment on column api.asset_holders.available is 'Units that neither a partial freeze nor a freeze of the wallet holds back. A pause of the asset is not counted.';
comment on column api.asset_holders.percentage is 'Share of the current total supply in percent, to eight places; null while there is no supply.';
comment on column api.asset_holders.verified is 'What the asset''s identity registry says of the wallet (isVerified), from claims that a trusted issuer''s key really signed: an identity whose own code attests itself is false here though isVerified may say true; null where the asset has none, or the logs do not tell. chain.verdict gives the reason.';
comment on column api.asset_holders.country is 'ISO 3166-1 numeric, as registered.';
comment on column api.asset_holders.identity is 'The identity the wallet is registered with.';
comment on column api.asset_holders.identity_id is 'Its row of identities.';
comment on column api.asset_holders.complete_from is 'Set where indexing of the asset began after its first event on purpose: earlier holders that have not moved since are missing.';

create view api.ownership_history with (security_invoker = true) as
select h.chain_id, h.id, h.asset_id, api.hex(h.holder) as holder_address,
    api.units(h.balance, a.decimals) as balance, h.balance as balance_base,
    api.units(h.frozen, a.decimals) as frozen, h.frozen as frozen_base, h.wallet_frozen, h.timestamp,
    h.block_number, h.log_index, api.hex(h.block_hash) as block_hash,
    api.hex(h.transaction_hash) as transaction_hash, h.holder::bytea as holder_bytes,
    k.block_number as as_of_block, chain.finality(h.block_number, k.finalized_number) as finality
from chain.ownership_history h
join chain.assets a on a.chain_id = h.chain_id and a.id = h.asset_id
left join chain.checkpoints k on k.chain_id = h.chain_id;
comment on view api.ownership_history is 'The register''s past: a row per change of a wallet''s balance, frozen part or freeze, with all three after it.';
comment on column api.ownership_history.holder_address is 'The wallet.';
comment on column api.ownership_history.balance is 'Units held after the change; null where decimals are not known.';
comment on column api.ownership_history.balance_base is 'The same in base units.';
comment on column api.ownership_history.frozen is 'Units frozen after the change.';

create view api.asset_permissions with (security_invoker = true) as
select p.chain_id, p.asset_id, api.hex(p.address) as address, p.permission_type,
    api.hex(p.account) as account_address, p.to_block is null as active, p.from_at as granted_at,
    api.hex(p.granted_in) as granted_in, p.to_at as ended_at, p.from_block, p.from_log, p.to_block, p.to_log,
    p.address::bytea as address_bytes, p.account::bytea as account_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(p.to_block, p.from_block), k.finalized_number) as finality
from chain.asset_permissions p
left join chain.checkpoints k on k.chain_id = p.chain_id;
comment on view api.asset_permissions is 'Agents and owners of tokens, registries, compliances and factories: now and in the past.';
comment on column api.asset_permissions.account_address is 'Who holds it.';
comment on column api.asset_permissions.granted_at is 'Block time of the grant.';
comment on column api.asset_permissions.ended_at is 'Block time of its end; null while it is in force.';

create view api.identities with (security_invoker = true) as
select i.chain_id, i.id, api.hex(i.onchain_id) as onchain_id,
    array(
        select api.hex(w.wallet) from (
            select r.wallet from chain.registrations r
            where r.chain_id = i.chain_id and r.identity = i.onchain_id and r.to_block is null
            union
            select n.account from chain.identity_links n
            where n.chain_id = i.chain_id and n.identity = i.onchain_id and n.to_block is null and not n.is_token
        ) w order by w.wallet
    ) as wallets,
    case
        when exists (select from chain.verdicts_of(i.chain_id, i.onchain_id) v where v.verdict = 'verified')
            then 'verified'
        else (
            select case
                when bool_or(v.verdict = 'undetermined') then 'undetermined'
                when count(*) > 0 then 'not_verified'
                else 'unregistered'
            end
            from chain.verdicts_of(i.chain_id, i.onchain_id) v)
    end as verification_status,
    array(
        select distinct api.hex(c.issuer) from chain.identity_claims c
        where c.chain_id = i.chain_id and c.identity = i.onchain_id and c.to_block is null
        order by 1
    ) as issuers,
    exists (
        select from chain.verification_providers p
        where p.chain_id = i.chain_id and p.issuer = i.onchain_id and p.to_block is null
    ) as is_trusted_issuer,
    (
        select api.hex(sha256(string_agg(c.claim_id, ''::bytea order by c.claim_id))) from chain.identity_claims c
        where c.chain_id = i.chain_id and c.identity = i.onchain_id and c.to_block is null
    ) as claims_hash,
    i.first_block, i.first_at, v.through_block is not null as catching_up, i.onchain_id::bytea as onchain_id_bytes,
    k.block_number as as_of_block, chain.finality(i.first_block, k.finalized_number) as finality
from chain.identities i
left join chain.checkpoints k on k.chain_id = i.chain_id
left join ops.coverage v on v.chain_id = i.chain_id and v.address = i.onchain_id;
comment on view api.identities is 'Identities: of persons, tokens and claim issuers alike. wallets, verification_status, issuers and claims_hash are computed for each row that is read: filter, or read by pages.';
comment on column api.identities.wallets is 'Wallets that a registry storage or an ONCHAINID factory maps to the identity now.';
comment on column api.identities.verification_status is 'verified where at least one registry that it is registered with finds it verified; else undetermined, not_verified, or unregistered.';
comment on column api.identities.issuers is 'Issuers of the claims in force.';
comment on column api.identities.is_trusted_issuer is 'Some registry trusts its claims about others.';
comment on column api.identities.claims_hash is 'SHA-256 of the ids of the claims in force, in order; null where there are none.';
comment on column api.identities.catching_up is 'The contract''s past is still being read: claims and keys are not complete yet.';

create view api.identity_claims with (security_invoker = true) as
select c.chain_id, c.id, i.id as identity_id, api.hex(c.identity) as identity, api.hex(c.claim_id) as claim_id,
    c.claim_type::text as claim_type,
    case
        when c.to_block is not null then c.ended_by
        when x.revoked_block is not null then 'revoked'
        when c.expires_at <= now() then 'expired'
        else 'valid'
    end as status,
    (
        select bool_or(coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3) and s.to_block is null)
        from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
    ) as signed_by_issuer,
    api.hex(c.issuer) as issuer, c.id_matches, api.hex(c.claim_data) as claim_data, c.uri, c.scheme::text as scheme,
    api.hex(c.signature) as signature, api.hex(c.signature_hash) as signature_hash, c.from_at as issued_at,
    c.expires_at, x.revoked_at, x.revoked_block, api.hex(x.transaction_hash) as revoked_in, c.to_at as ended_at,
    c.from_block, c.from_log, c.to_block, c.to_log, api.hex(c.transaction_hash) as transaction_hash,
    c.identity::bytea as identity_bytes, k.block_number as as_of_block,
    chain.finality(greatest(c.from_block, c.to_block, x.revoked_block), k.finalized_number) as finality
from chain.identities i
join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
    and x.signature_hash = c.signature_hash
left join chain.checkpoints k on k.chain_id = c.chain_id;
comment on view api.identity_claims is 'Claims on identities, a row per version. A claim counts today where status is valid, signed_by_issuer and id_matches; whom a registry trusts is in verification_providers.';
comment on column api.identity_claims.claim_type is 'The claim topic, a 256-bit number.';
comment on column api.identity_claims.status is 'changed or removed once the version has ended; else revoked by its issuer, expired by its own data, or valid.';
comment on column api.identity_claims.signed_by_issuer is 'Its signer is a key that the issuer holds for managing or signing claims now; null where the issuer has no known keys.';
comment on column api.identity_claims.issued_at is 'Block time of the log that began the version.';
comment on column api.identity_claims.revoked_at is 'Block time of the issuer''s revocation, which may lie before the claim.';
comment on column api.identity_claims.revoked_block is 'Its block.';
comment on column api.identity_claims.revoked_in is 'Its transaction.';
comment on column api.identity_claims.ended_at is 'Block time of the version''s end; null while it is in force.';

create view api.identity_keys with (security_invoker = true) as
select s.chain_id, api.hex(s.identity) as identity, api.hex(s.key_hash) as key_hash, s.purpose::text as purpose,
    s.key_type::text as key_type, s.to_block is null as active, s.from_block, s.from_log, s.from_at,
    s.to_block, s.to_log, s.to_at, s.identity::bytea as identity_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(s.to_block, s.from_block), k.finalized_number) as finality
from chain.identity_keys s
left join chain.checkpoints k on k.chain_id = s.chain_id;
comment on view api.identity_keys is 'Keys of identities, now and in the past; purpose 1 manages, 3 signs claims.';

create view api.claim_revocations with (security_invoker = true) as
select x.chain_id, api.hex(x.issuer) as issuer, api.hex(x.signature_hash) as signature_hash, x.revoked_block,
    x.revoked_log, x.revoked_at, api.hex(x.transaction_hash) as transaction_hash,
    x.issuer::bytea as issuer_bytes, x.signature_hash::bytea as signature_hash_bytes,
    k.block_number as as_of_block, chain.finality(x.revoked_block, k.finalized_number) as finality
from chain.claim_revocations x
left join chain.checkpoints k on k.chain_id = x.chain_id;
comment on view api.claim_revocations is 'Claims that their issuer revoked, known by the digest of their signature.';

create view api.registrations with (security_invoker = true) as
select r.chain_id, api.hex(r.storage) as storage, api.hex(r.wallet) as wallet, api.hex(r.identity) as identity,
    r.identity_id, r.country, r.undetermined, r.to_block is null as active, r.from_block, r.from_log, r.from_at,
    r.to_block, r.to_log, r.to_at, r.storage::bytea as storage_bytes, r.wallet::bytea as wallet_bytes,
    r.identity::bytea as identity_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(r.to_block, r.from_block), k.finalized_number) as finality
from chain.registrations r
left join chain.checkpoints k on k.chain_id = r.chain_id;
comment on view api.registrations is 'Wallets registered in identity registry storages, now and in the past.';

create view api.verification_providers with (security_invoker = true) as
select p.chain_id, api.hex(p.registry) as registry, api.hex(p.issuer) as issuer, p.topics::text[] as topics,
    case
        when p.to_block is null then 'trusted'
        when exists (
            select from chain.verification_providers n
            where n.chain_id = p.chain_id and n.registry = p.registry and n.issuer = p.issuer
                and n.from_block = p.to_block and n.from_log = p.to_log) then 'changed'
        else 'removed'
    end as status,
    p.from_at as since, p.to_at as until, p.from_block, p.from_log, p.to_block, p.to_log,
    p.registry::bytea as registry_bytes, p.issuer::bytea as issuer_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(p.to_block, p.from_block), k.finalized_number) as finality
from chain.verification_providers p
left join chain.checkpoints k on k.chain_id = p.chain_id;
comment on view api.verification_providers is 'Issuers that trusted issuers registries trust, and for which topics: now and in the past.';
comment on column api.verification_providers.status is 'trusted while in force; changed where the next version began with other topics; removed.';
comment on column api.verification_providers.since is 'Block time of the log that began this version.';
comment on column api.verification_providers.until is 'Block time of the log that ended this version; null while it is in force.';

create view api.required_topics with (security_invoker = true) as
select t.chain_id, api.hex(t.registry) as registry, t.topic::text as topic, t.to_block is null as active,
    t.from_block, t.from_log, t.from_at, t.to_block, t.to_log, t.to_at, t.registry::bytea as registry_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(t.to_block, t.from_block), k.finalized_number) as finality
from chain.required_topics t
left join chain.checkpoints k on k.chain_id = t.chain_id;
comment on view api.required_topics is 'Claim topics that claim topics registries require, now and in the past.';

create view api.contracts with (security_invoker = true) as
select c.chain_id, api.hex(c.address) as address, c.role, api.hex(c.announced_by) as announced_by, c.announced_block,
    c.announced_log, c.announced_as, v.from_block as covered_from,
    case when v.address is not null then coalesce(v.through_block, k.block_number) end as covered_through,
    v.through_block is not null as catching_up, c.address::bytea as address_bytes,
    k.block_number as as_of_block, chain.finality(c.announced_block, k.finalized_number) as finality
from chain.contracts c
left join chain.checkpoints k on k.chain_id = c.chain_id
left join ops.coverage v on v.chain_id = c.chain_id and v.address = c.address;
comment on view api.contracts is 'Every contract whose logs are followed, who announced it, and which of its blocks have been read.';
comment on column api.contracts.covered_from is 'First block read.';
comment on column api.contracts.covered_through is 'Last block read: the checkpoint, unless the contract is catching up.';
comment on column api.contracts.catching_up is 'The contract was added later and its past is still being read.';
comment on column api.contracts.finality is 'Of the announcing log; null for a configured contract.';

create view api.contract_links with (security_invoker = true) as
select l.chain_id, api.hex(l.address) as address, l.link, api.hex(l.target) as target, l.to_block is null as active,
    l.from_block, l.from_log, l.from_at, l.to_block, l.to_log, l.to_at, l.address::bytea as address_bytes,
    l.target::bytea as target_bytes,
    k.block_number as as_of_block, chain.finality(coalesce(l.to_block, l.from_block), k.finalized_number) as finality
from chain.contract_links l
left join chain.checkpoints k on k.chain_id = l.chain_id;
comment on view api.contract_links is 'Pointers between contracts, now and in the past: a token''s registry, a registry''s storage, a compliance''s modules.';

create view api.audit_trail with (security_invoker = true) as
select t.chain_id, t.id, t.entity_type, t.entity_id, t.action, t.old_state, t.new_state, t.block_number,
    api.hex(t.replaced_by) as replaced_by, t.actor, t.timestamp, k.block_number as as_of_block
from chain.audit_trail t
left join chain.checkpoints k on k.chain_id = t.chain_id;
comment on view api.audit_trail is 'Every chain row that was taken back or mended, as it was before and after; bytes in the states are \x text.';

create view api.system_events with (security_invoker = true) as
select s.chain_id, s.id, s.event_type, s.event_data, s.timestamp, s.source, s.severity, k.block_number as as_of_block
from chain.system_events s
left join chain.checkpoints k on k.chain_id = s.chain_id;
comment on view api.system_events is 'What the indexer itself did: reorgs, halts, rewinds, repairs, rebuilds.';

-- The register at a point in the past -------------------------------------------------------------------------------

create function chain.supply_as_of(p_asset uuid, p_block bigint, p_at timestamptz) returns table (total_supply numeric)
language sql stable parallel safe rows 1
begin atomic
    -- Back from today's supply: also right where indexing began late and the first supply was observed.
    select a.total_supply - coalesce((
            select sum(case o.operation_type
                when 'burn' then - o.amount
                when 'mint' then case
                    when o.to_address = chain.zero_address() then 0 else o.amount end
            end)
            from chain.asset_operations o
            where o.chain_id = a.chain_id and o.asset_id = p_asset and o.operation_type in ('mint', 'burn')
                and (p_block is null or o.block_number > p_block) and (p_at is null or o.executed_at > p_at)
        ), 0)
    from chain.assets a where a.id = p_asset
    offset 0;
end;
comment on function chain.supply_as_of is 'Total supply of an asset in base units at the end of a block, or at a time; one of the two is null.';

create function chain.positions_as_of(p_asset uuid, p_block bigint, p_at timestamptz)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, since_block bigint,
    since timestamptz)
language sql stable parallel safe rows 1000
begin atomic
    -- In the order of the primary key read backwards: one index scan of one partition, nothing to sort.
    select distinct on (h.holder) h.holder::bytea, h.balance, h.frozen, h.wallet_frozen, h.block_number, h.timestamp
    from chain.ownership_history h
    where h.chain_id = (select a.chain_id from chain.assets a where a.id = p_asset) and h.asset_id = p_asset
        and (p_block is null or h.block_number <= p_block) and (p_at is null or h.timestamp <= p_at)
    order by h.holder desc, h.block_number desc, h.log_index desc;
end;
comment on function chain.positions_as_of is 'The position of each wallet in an asset at the end of a block, or at a time; one of the two is null.';

create function api.holders_at(asset uuid, block bigint)
returns table (holder_address text, balance numeric, balance_base numeric, frozen numeric, frozen_base numeric,
    wallet_frozen boolean, percentage numeric, verified boolean, identity text, since_block bigint, since timestamptz,
    complete boolean, holder_bytes bytea, as_of_block bigint, finality text)
language sql stable parallel safe rows 1000
begin atomic
    select api.hex(p.holder), api.units(p.balance, a.decimals), p.balance, api.units(p.frozen, a.decimals), p.frozen,
        p.wallet_frozen, case when s.total_supply > 0 then round(p.balance * 100 / s.total_supply, 8) end,
        case
            when l.target is null or g.storage is null or g.unsettled then null
            when r.identity is null or r.identity = chain.zero_address() then false
            else (
                select case v.verdict when 'verified' then true when 'not_verified' then false end
                from chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
                    g.unknown, g.unsettled, block) v)
        end,
        api.hex(r.identity), p.since_block, p.since,
        (a.complete_from is null or a.complete_from <= block) and not chain.is_behind(c.through_block, block)
            and block <= k.block_number,
        p.holder, k.block_number, chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral chain.supply_as_of(asset, block, null) s
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and chain.in_force(l.from_block, l.to_block, block)
    left join lateral chain.verification_rules(a.chain_id, l.target, block) g on l.target is not null
    cross join lateral chain.positions_as_of(asset, block, null) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, block)
    where a.id = asset and (p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen);
end;
comment on function api.holders_at is
'Who held what of an asset at the end of a block, with the share of the supply then and what the asset''s identity registry said of the wallet then (verified, null where the logs do not tell). complete is false where the register cannot answer for that block: it lies above as_of_block or before the block from which the asset is indexed, or the contract is catching up. Call it in FROM.';

create function api.holders_at_time(asset uuid, at timestamptz)
returns table (holder_address text, balance numeric, balance_base numeric, frozen numeric, frozen_base numeric,
    wallet_frozen boolean, percentage numeric, since_block bigint, since timestamptz, complete boolean,
    holder_bytes bytea, as_of_block bigint)
language sql stable parallel safe rows 1000
begin atomic
    select api.hex(p.holder), api.units(p.balance, a.decimals), p.balance, api.units(p.frozen, a.decimals), p.frozen,
        p.wallet_frozen, case when s.total_supply > 0 then round(p.balance * 100 / s.total_supply, 8) end,
        p.since_block, p.since,
        (a.complete_from is null or a.created_at <= at) and c.through_block is null and at <= k.block_timestamp,
        p.holder, k.block_number
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral chain.supply_as_of(asset, null, at) s
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    cross join lateral chain.positions_as_of(asset, null, at) p
    where a.id = asset and (p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen);
end;
comment on function api.holders_at_time is
'api.holders_at by the clock: after the last block whose time is not later. Without verified, which is asked for a block. complete is false where the time lies after the checkpoint''s, where the contract is catching up, or before the first event of an asset that is indexed only from a later block.';

create function api.balance_at(asset uuid, holder text, block bigint)
returns table (balance numeric, balance_base numeric, frozen numeric, frozen_base numeric, wallet_frozen boolean,
    since_block bigint, since timestamptz, transaction_hash text)
language sql stable parallel safe rows 1
begin atomic
    select api.units(h.balance, a.decimals), h.balance, api.units(h.frozen, a.decimals), h.frozen, h.wallet_frozen,
        h.block_number, h.timestamp, api.hex(h.transaction_hash)
    from chain.assets a
    cross join lateral (
        select n.* from chain.ownership_history n
        where n.chain_id = a.chain_id and n.asset_id = asset and n.holder = api.address(balance_at.holder)
            and n.block_number <= block
        order by n.block_number desc, n.log_index desc limit 1
    ) h
    where a.id = asset;
end;
comment on function api.balance_at is
'What a wallet held of an asset at the end of a block, and since when; no row where it had never held any by then.';

create function api.claims_at(identity uuid, block bigint)
returns table (claim_id text, claim_type text, issuer text, issued_at timestamptz, expires_at timestamptz,
    revoked boolean, signed_by_issuer boolean, id_matches boolean, claim_data text, uri text, id uuid)
language sql stable parallel safe rows 10
begin atomic
    select api.hex(c.claim_id), c.claim_type::text, api.hex(c.issuer), c.from_at, c.expires_at,
        exists (
            select from chain.claim_revocations x
            where x.chain_id = c.chain_id and x.issuer = c.issuer and x.signature_hash = c.signature_hash
                and (block is null or x.revoked_block <= block)),
        (
            select bool_or(coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3)
                and chain.in_force(s.from_block, s.to_block, block))
            from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
        ),
        c.id_matches, api.hex(c.claim_data), c.uri, c.id
    from chain.identities i
    join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
        and chain.in_force(c.from_block, c.to_block, block)
    where i.id = claims_at.identity;
end;
comment on function api.claims_at is
'The claims that were on an identity at the end of a block: whether their issuer had revoked them by then, and whether their signer was a key of the issuer then (null where the issuer has no known keys). Only a claim whose id_matches counts.';

create function api.holdings(wallet text) returns setof api.asset_holders
language sql stable parallel safe rows 10
begin atomic
    select h.* from api.asset_holders h where h.holder_bytes = api.address(holdings.wallet);
end;
comment on function api.holdings is 'The positions of a wallet in all assets, given as 0x text.';

-- Comments that views share with their tables -----------------------------------------------------------------------
do $$
declare
    place record;
begin
    for place in
        select view.oid::regclass as view, own.attname as name, coalesce(
            case own.attname
                when 'as_of_block' then 'The last block in the tables when this was read.'
                when 'finality' then 'final, or provisional while a reorg may still take back the block that last changed the row.'
                when 'active' then 'Whether this version is in force.'
            end,
            case when own.attname like '%\_bytes' then 'The same as bytes, for filters and joins: indexed, or part of a key.' end,
            case when own.attname like '%\_base' then 'In base units.' end,
            col_description(source.oid, of_source.attnum)) as words
        from pg_class view
        join pg_attribute own on own.attrelid = view.oid and own.attnum > 0
        left join pg_class source on source.relname = view.relname and source.relnamespace = 'chain'::regnamespace
        left join pg_attribute of_source on of_source.attrelid = source.oid and of_source.attname = own.attname
        where view.relnamespace = 'api'::regnamespace and view.relkind = 'v'
            and col_description(view.oid, own.attnum) is null
    loop
        execute format('comment on column %s.%I is %L', place.view, place.name, place.words);
    end loop;
end
$$;

-- Grants ------------------------------------------------------------------------------------------------------------
-- The views run with the rights of whoever asks, so a reader needs the tables behind them too.
grant select on
    chain.checkpoints, chain.assets, chain.asset_events, chain.asset_transactions, chain.asset_operations,
    chain.asset_holders, chain.ownership_history, chain.asset_permissions, chain.registrations,
    chain.verification_providers, chain.required_topics, chain.identities, chain.identity_links, chain.identity_keys,
    chain.identity_claims, chain.claim_revocations, chain.contracts, chain.contract_links, chain.audit_trail,
    chain.system_events
to asset_indexer_reader;
grant select (chain_id, address, from_block, through_block) on ops.coverage to asset_indexer_reader;
grant select on all tables in schema api to asset_indexer_reader, asset_indexer_writer;
grant execute on all functions in schema api to asset_indexer_reader, asset_indexer_writer;
grant execute on function
    chain.block_of(uuid), chain.zero_address(), chain.finality(bigint, bigint),
    chain.in_force(bigint, bigint, bigint), chain.is_behind(bigint, bigint),
    chain.verification_rules(bigint, bytea, bigint),
    chain.judge(bigint, bytea, boolean, numeric[], numeric[], bytea[], bytea[], bytea[], boolean, bigint),
    chain.verdicts(bigint, bytea, bigint), chain.verdict(bigint, bytea, bytea, bigint),
    chain.verdicts_of(bigint, bytea), chain.supply_as_of(uuid, bigint, timestamptz),
    chain.positions_as_of(uuid, bigint, timestamptz)
to asset_indexer_reader, asset_indexer_writer;
