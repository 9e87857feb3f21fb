set local lock_timeout = '500ms';

create or replace function chain.investor_of(p_asset uuid, p_block bigint)
returns table (wallet bytea, identity bytea, country bigint, from_block bigint)
language sql stable parallel safe rows 1000
begin atomic
    select r.wallet::bytea, r.identity::bytea, r.country, r.from_block
    from chain.assets a
    join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    join chain.contract_links s on s.chain_id = a.chain_id and s.address = l.target and s.link = 'storage'
        and s.slot = chain.zero_address() and chain.in_force(s.from_block, s.to_block, p_block)
    join chain.registrations r on r.chain_id = a.chain_id and r.storage = s.target
        and chain.in_force(r.from_block, r.to_block, p_block) and r.identity <> chain.zero_address()
    where a.id = p_asset;
end;
comment on function chain.investor_of is 'Wallets that the asset''s identity registry knew at the end of a block, with the identity of each. Join it with the positions.';

comment on function api.cap_table_by_investor is
'api.cap_table by investor: the wallets that the asset''s identity registry maps to one identity at the end of the block are one line (is_identity), a wallet that it does not know is a line of its own. country: of the wallet registered last.';
comment on function api.concentration is
'How concentrated an asset was at the end of a block, by wallet or by investor: what the largest n hold together, and the Herfindahl-Hirschman index in column percentage (0 to 10000: the sum of squared percentages). Positions above zero alone.';

create or replace function api.holders_at(asset uuid, block bigint)
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

create or replace function api.holders_at_time(asset uuid, at timestamptz)
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

create or replace function api.register_totals(asset uuid, block bigint)
returns table (chain_id bigint, block_number bigint, block_hash text, finality text, holders bigint, negative bigint,
    balance_base numeric, supply numeric, supply_base numeric, frozen_base numeric, frozen_wallets bigint,
    decimals bigint, complete boolean, suspect boolean)
language sql stable rows 1
begin atomic
    select a.chain_id, b.block_number, api.hex(b.block_hash), chain.finality(block, k.finalized_number), p.holders,
        p.negative, p.balance, api.units(s.supply, a.decimals), s.supply, p.frozen, p.frozen_wallets, a.decimals,
        (a.complete_from is null or a.complete_from <= block) and not chain.is_behind(c.through_block, block)
            and block <= k.block_number,
        a.negative_balance or a.exceeds_uint256 or a.unreadable_logs > 0 or exists (
            select from ops.drift d where d.chain_id = a.chain_id and d.asset_id = a.id and d.resolved_at is null)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (select chain.supply_at(asset, block) as supply offset 0) s
    cross join lateral (
        select count(*) filter (where x.balance <> 0) as holders, count(*) filter (where x.balance < 0) as negative,
            coalesce(sum(x.balance), 0) as balance, coalesce(sum(x.frozen), 0) as frozen,
            count(*) filter (where x.wallet_frozen) as frozen_wallets
        from chain.positions_at(asset, block) x) p
    where a.id = asset;
end;
