-- What one report sums, every report sums: a wallet whose identity the logs leave open is its own investor in the regulatory
-- summary too, and an identity's own units are not those of its wallets in the concentration. A page of investors ends between
-- two lines, also where both name one address. A country is told by all its digits. And where clocks go back over midnight a
-- day begins at the first of the two: its first hour was the day before's.
set local lock_timeout = '500ms';

-- Days of a time zone -----------------------------------------------------------------------------------------------

create function api.begin_of_day(day date, zone text) returns timestamptz
language sql stable parallel safe
begin atomic
    -- Of two midnights PostgreSQL takes the second: what of the day lies before it is taken off.
    select x.midnight - case when isfinite(day) then greatest(interval '0',
        ((x.midnight - interval '1 microsecond') at time zone zone) + interval '1 microsecond' - day::timestamp)
        else interval '0' end
    from (select day::timestamp at time zone zone as midnight) x;
end;
comment on function api.begin_of_day is 'The first instant of a day in a time zone given by name, such as Europe/Zurich: the first of two midnights where clocks go back over it.';
grant execute on function api.begin_of_day(date, text) to asset_indexer_reader, asset_indexer_writer;

create or replace function api.end_of_day(day date, zone text) returns timestamptz
language sql stable parallel safe
begin atomic
    -- The instant at which the next day begins belongs to the next day: one microsecond less.
    select api.begin_of_day(day + 1, zone) - interval '1 microsecond';
end;
comment on function api.end_of_day is 'The last instant of a day in a time zone given by name, such as Europe/Zurich: days of 23 and 25 hours included, also where clocks go back over midnight.';

-- Investors ---------------------------------------------------------------------------------------------------------
-- The former ones stay until nothing asks them any more: what asks keeps its place, and the rights to it.

alter function chain.compliance_one_by_one(uuid, bigint) rename to compliance_one_by_one_before;
alter function chain.compliance_at_once(uuid, bigint) rename to compliance_at_once_before;

create function chain.compliance_one_by_one(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text, undetermined boolean)
language sql stable rows 1000
begin atomic
    select p.holder, p.balance, p.frozen, p.wallet_frozen, r.identity::bytea, r.country,
        case
            when l.target is null then 'no registry'
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case
            when l.target is null then 'the asset has no identity registry'
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end,
        coalesce(r.undetermined, false)
    from chain.assets a
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    left join lateral chain.verification_rules(a.chain_id, l.target, p_block) g on l.target is not null
    cross join lateral chain.positions_at(p_asset, p_block) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, p_block) and r.identity <> chain.zero_address()
    left join lateral chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_block) v on r.identity is not null
    where a.id = p_asset and p.balance <> 0;
end;
comment on function chain.compliance_one_by_one is 'Whether those who held an asset at the end of a block might: for an asset of few holders. undetermined: the logs do not tell whether the identity is still the wallet''s.';

create function chain.compliance_at_once(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text, undetermined boolean)
language plpgsql stable rows 1000
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set work_mem = '256MB'
set hash_mem_multiplier = 2 set jit = off set enable_mergejoin = off set enable_nestloop = off as $$
declare
    rules record;
    every_topic bigint;
begin
    select g.* into rules from chain.compliance_rules(p_asset, p_block) g;
    -- A topic is a bit below.
    if cardinality(rules.required) > 62 then
        return query select c.* from chain.compliance_one_by_one(p_asset, p_block) c;
        return;
    end if;
    every_topic := (1::bigint << cardinality(rules.required)) - 1;
    return query
    with claimed as (
        select k.identity, bit_or(k.topic) filter (where k.state = 1) as valid,
            bit_or(k.topic) filter (where k.state = 2) as unknown, bit_or(k.topic) filter (where k.state = 3) as revoked,
            bit_or(k.topic) filter (where k.state = 4) as unsigned
        from (
            select c.identity::bytea as identity, 1::bigint << array_position(rules.required, c.claim_type) - 1 as topic,
                case
                    when x.issuer is not null then 3
                    when c.issuer = any (rules.unknown) then 2
                    when c.issuer || c.signer_key = any (rules.keys) then 1
                    else 4
                end as state
            from chain.identity_claims c
            left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
                and x.signature_hash = c.signature_hash and x.revoked_block <= p_block
            where rules.decided is null and c.chain_id = rules.chain_id and c.from_block <= p_block
                and (c.to_block is null or c.to_block > p_block) and c.id_matches
                and c.issuer || numeric_send(c.claim_type) = any (rules.trusted)
        ) k
        group by k.identity
    ), judged as (
        select r.wallet::bytea as wallet, r.identity::bytea as identity, r.country,
            case
                when rules.decided is not null then rules.decided
                when r.undetermined or b.address is not null then 'undetermined'
                when c.valid = every_topic then 'verified'
                when coalesce(c.valid, 0) | coalesce(c.unknown, 0) = every_topic then 'undetermined'
                else 'not_verified'
            end as verdict,
            case
                when rules.decided is not null then rules.because
                when r.undetermined then 'undetermined identity'
                when b.address is not null then 'identity is catching up'
                when c.valid = every_topic then null
                else (
                    select 'topic ' || t.topic::text || ': ' || case
                        when coalesce(c.unknown, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'issuer''s keys not known'
                        when coalesce(c.revoked, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'claim revoked'
                        when coalesce(c.unsigned, 0) & (1::bigint << t.n::integer - 1) <> 0
                            then 'claim not signed by a key of its issuer'
                        else 'no claim of a trusted issuer'
                    end
                    from unnest(rules.required) with ordinality t (topic, n)
                    where case
                        when coalesce(c.valid, 0) | coalesce(c.unknown, 0) = every_topic then coalesce(c.valid, 0)
                        else coalesce(c.valid, 0) | coalesce(c.unknown, 0)
                    end & (1::bigint << t.n::integer - 1) = 0
                    order by t.topic limit 1)
            end as reason, r.undetermined
        from chain.registrations r
        left join claimed c on c.identity = r.identity
        left join chain.contracts_behind(rules.chain_id, p_block) b on b.address = r.identity
        where r.chain_id = rules.chain_id and r.storage = rules.storage and r.from_block <= p_block
            and (r.to_block is null or r.to_block > p_block) and r.identity <> chain.zero_address()
    )
    select p.holder, p.balance, p.frozen, p.wallet_frozen, j.identity, j.country,
        case
            when rules.registry is null then 'no registry'
            when j.wallet is not null then j.verdict
            when rules.storage is null or rules.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case
            when rules.registry is null then 'the asset has no identity registry'
            when j.wallet is not null then j.reason
            when rules.storage is null then 'storage of the registry not known'
            when rules.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end,
        coalesce(j.undetermined, false)
    from chain.positions_at(p_asset, p_block) p
    left join judged j on j.wallet = p.holder
    where p.balance <> 0;
end
$$;
comment on function chain.compliance_at_once is 'What chain.compliance_one_by_one says, for an asset of many holders: the claims of all are read once.';
grant execute on function chain.compliance_one_by_one(uuid, bigint), chain.compliance_at_once(uuid, bigint)
to asset_indexer_reader, asset_indexer_writer;

create or replace function api.holder_compliance(asset uuid, block bigint)
returns table (holder_address text, identity text, country bigint, verdict text, reason text, wallet_frozen boolean,
    balance numeric, balance_base numeric, frozen numeric, frozen_base numeric, holder_bytes bytea, block_number bigint,
    block_hash text, finality text)
language sql stable rows 1000
begin atomic
    select api.hex(c.holder), api.hex(c.identity), c.country, c.verdict, c.reason, c.wallet_frozen,
        api.units(c.balance, a.decimals), c.balance, api.units(c.frozen, a.decimals), c.frozen, c.holder, b.block_number,
        api.hex(b.block_hash), chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (
        select o.* from chain.compliance_one_by_one(asset, block) o where not chain.has_many_holders(asset)
        union all
        select m.* from chain.compliance_at_once(asset, block) m where chain.has_many_holders(asset)
    ) c
    where a.id = asset;
end;

create or replace function api.regulatory_summary(asset uuid, block bigint, first_day date default null, last_day date default null,
    zone text default 'UTC')
returns table (section text, item text, holders bigint, amount numeric, amount_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 50 set work_mem = '256MB'
begin atomic
    -- By itself, because no plan of the answer has to ask it.
    select chain.facts_reach_since(asset, api.begin_of_day(first_day, zone), true);
    with held as materialized (
        select c.holder, case when not c.undetermined then c.identity end as identity, c.country, c.verdict, c.wallet_frozen, c.balance, c.frozen
        from (
            select o.* from chain.compliance_one_by_one(asset, block) o where not chain.has_many_holders(asset)
            union all
            select m.* from chain.compliance_at_once(asset, block) m where chain.has_many_holders(asset)
        ) c
        -- No row for a block above the checkpoint.
        where exists (select from chain.assets a join chain.checkpoints k on k.chain_id = a.chain_id
            where a.id = asset and block <= k.block_number)
    ), supply as (select chain.supply_at(asset, block) as base offset 0),
    kinds as materialized (
        select h.country, h.verdict, h.wallet_frozen, count(*) as wallets, sum(h.balance) as balance,
            count(*) filter (where h.frozen <> 0) as parts, coalesce(sum(h.frozen), 0) as frozen
        from held h group by h.country, h.verdict, h.wallet_frozen
    ), investors as materialized (
        select sum(h.balance) as balance from held h
        group by coalesce(h.identity, h.holder), h.identity is not null
    ), lines (n, section, item, holders, base) as (
        select 1, 'register', 'supply', null::bigint, s.base from supply s
        union all
        select 2, 'register', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k
        union all
        select 3, 'register', 'investors', (select count(*) from investors), coalesce(sum(k.balance), 0) from kinds k
        union all
        select 4, 'frozen', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k where k.wallet_frozen
        union all
        select 5, 'frozen', 'parts', coalesce(sum(k.parts), 0)::bigint, coalesce(sum(k.frozen), 0) from kinds k
        union all
        select 6, 'verdict', k.verdict, sum(k.wallets)::bigint, sum(k.balance) from kinds k group by k.verdict
        union all
        select 7, 'country', coalesce(lpad(k.country::text, greatest(3, length(k.country::text)), '0'), 'not known'),
            sum(k.wallets)::bigint, sum(k.balance)
        from kinds k group by k.country
        union all
        select 8, 'largest', 'top ' || t.top, count(l.balance), coalesce(sum(l.balance), 0)
        from unnest('{1,10}'::integer[]) t (top)
        left join lateral (
            select i.balance from investors i where i.balance > 0 order by i.balance desc limit t.top) l on true
        group by t.top
        union all
        select 9, 'issuance', i.item, count(*), sum(o.amount)
        from chain.assets a
        join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
            and o.operation_type in ('mint', 'burn') and o.block_number <= block
            and (first_day is null or o.executed_at >= (select api.begin_of_day(first_day, zone)))
            and (last_day is null or o.executed_at < (select api.begin_of_day(last_day + 1, zone)))
        -- What the zero address sends to itself is minted, and burned.
        cross join lateral (values ('minted', o.operation_type = 'mint'),
            ('burned', o.operation_type = 'burn' or o.to_address = chain.zero_address())) i (item, is_so)
        where a.id = asset and i.is_so
        group by i.item
    )
    select l.section, l.item, l.holders, api.units(l.base, a.decimals), l.base,
        case when s.base > 0 and l.n <= 8 then round(l.base * 100 / s.base, 8) end, b.block_number, api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join supply s
    cross join lines l
    where a.id = asset
    order by l.n, l.item collate "C";
end;
comment on function api.regulatory_summary is
'What authorities ask of an asset at the end of a block: supply, wallets and investors (as in api.cap_table_by_investor), what is frozen, holders by verdict and by country (ISO 3166-1 numeric, in three digits; a longer number whole), what the largest investors hold, and what was minted and burned in a period of whole days of a time zone (column holders counts operations there).';

drop function chain.compliance_one_by_one_before(uuid, bigint), chain.compliance_at_once_before(uuid, bigint);

drop function api.cap_table_by_investor(uuid, bigint, integer, numeric, text);
create function api.cap_table_by_investor(asset uuid, block bigint, page integer default 1000,
    after_balance numeric default null, after_investor text default null, after_is_identity boolean default null)
returns table (investor text, is_identity boolean, wallets bigint, balance numeric, balance_base numeric,
    percentage numeric, frozen numeric, frozen_base numeric, country bigint, block_number bigint, block_hash text,
    finality text)
language sql stable rows 1000
begin atomic
    select api.hex(p.investor), p.is_identity, p.wallets, api.units(p.balance, a.decimals), p.balance,
        case when s.supply > 0 then round(p.balance * 100 / s.supply, 8) end,
        api.units(p.frozen, a.decimals), p.frozen, p.country, b.block_number, api.hex(b.block_hash),
        chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (select chain.supply_at(asset, block) as supply offset 0) s
    cross join lateral (
        select y.* from (
            select coalesce(i.identity, x.holder) as investor, i.identity is not null as is_identity,
                count(*) as wallets, sum(x.balance) as balance, sum(x.frozen) as frozen,
                (array_agg(i.country order by i.from_block desc, x.holder))[1] as country
            from chain.positions_at(asset, block) x
            left join chain.investor_of(asset, block) i on i.wallet = x.holder
            where x.balance <> 0
            group by 1, 2
        ) y
        where after_balance is null or y.balance < after_balance
            or y.balance = after_balance
                and (y.investor, y.is_identity) > (api.address(after_investor), coalesce(after_is_identity, true))
        order by y.balance desc, y.investor, y.is_identity limit page) p
    where a.id = asset
    order by p.balance desc, p.investor, p.is_identity;
end;
comment on function api.cap_table_by_investor is
'api.cap_table by investor: the wallets that the asset''s identity registry maps to one identity at the end of the block are one line (is_identity); a wallet that it does not know, or whose identity the logs do not tell, is a line of its own. country: of the wallet registered last. A contract that is an identity and holds by itself, unregistered, is a line of its own beside that identity''s: the next page is after the last row''s balance_base, investor and is_identity.';
grant execute on function api.cap_table_by_investor(uuid, bigint, integer, numeric, text, boolean)
to asset_indexer_reader, asset_indexer_writer;

create or replace function api.concentration(asset uuid, block bigint, by_investor boolean default false,
    tops integer[] default '{1,5,10,50,100}')
returns table (measure text, holders bigint, balance numeric, balance_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 10
begin atomic
    with ranked as materialized (
        select y.balance, row_number() over (order by y.balance desc) as place from (
            select sum(x.balance) as balance
            from chain.positions_at(asset, block) x
            left join chain.investor_of(asset, block) i on by_investor and i.wallet = x.holder
            where x.balance <> 0
            group by coalesce(i.identity, x.holder), i.identity is not null
        ) y
        where y.balance > 0
    ), whole as (
        select count(*) as holders, sum(r.balance) as balance, sum(r.balance * r.balance) as squares from ranked r
    )
    select m.measure, m.holders, api.units(m.balance, a.decimals), m.balance, m.percentage, b.block_number,
        api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (
        select 0 as n, 'all' as measure, w.holders, coalesce(w.balance, 0) as balance,
            case when w.balance > 0 then 100.00000000 end as percentage
        from whole w
        union all
        select 1, 'hhi', w.holders, null, case when w.balance > 0 then round(w.squares * 10000 / (w.balance * w.balance), 8) end
        from whole w
        union all
        select 1 + t.n, 'top ' || t.top, count(r.place), coalesce(sum(r.balance), 0),
            case when w.balance > 0 then round(coalesce(sum(r.balance), 0) * 100 / w.balance, 8) end
        from whole w
        cross join unnest(tops) with ordinality t (top, n)
        left join ranked r on r.place <= t.top
        group by t.n, t.top, w.balance
    ) m
    where a.id = asset
    order by m.n;
end;

comment on function chain.verdicts is
'What IdentityRegistry.isVerified (T-REX 4.1.6) answers, where identities run the code of ONCHAINID, for each registered wallet of a registry, or of all registries of the chain, at the end of a block, or now: verified, not_verified, or undetermined where the logs do not tell, with the reason. valid_now also asks that the claims have not expired by their own data, which T-REX does not look at; it is about today whatever the block. Where the registry''s storage is not known or is being read, rows are missing of wallets that may be registered (chain.verification_rules: storage, unsettled). Call it in FROM.';
