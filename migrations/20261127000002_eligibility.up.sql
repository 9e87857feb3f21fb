-- Whether a transfer would be let through, also where compliance modules have the say: the modules of T-REX 4.1.6 are judged
-- by the rules that they were given (chain.module_parameters).
--
-- The functions are PL/pgSQL: their plans are made once a session, and planning is most of what one answer costs. What
-- reads `ops` is BEGIN ATOMIC, because a reader may not name that schema.
set local lock_timeout = '500ms';

-- The wallets that an identity once had, and the few registrations of which nobody can tell whose they are.
create index registrations_identity_past on chain.registrations (chain_id, storage, identity) where to_block is not null;
create index registrations_undetermined on chain.registrations (chain_id, storage) where undetermined;

create function chain.any_behind(p_chain_id bigint, p_addresses bytea[]) returns boolean
language sql stable parallel safe
begin atomic
    select exists (select from ops.coverage v
        where v.chain_id = p_chain_id and v.address = any (p_addresses) and v.through_block is not null);
end;
comment on function chain.any_behind is 'Whether one of these contracts is still catching up.';

create function chain.counted_balance(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_module bytea, p_identity bytea)
returns numeric language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    token bytea;
    preset record;
    counted numeric;
begin
    -- Sums are exact only where every movement is known, and was this token's.
    select a.contract_address into token from chain.assets a
    where a.chain_id = p_chain_id and a.id = p_asset and a.complete_from is null
        and not a.negative_balance and not a.exceeds_uint256 and a.unreadable_logs = 0;
    if token is null or p_identity is null
        or exists (select from chain.contract_links t where t.chain_id = p_chain_id and t.address = p_compliance
            and t.link = 'token' and t.target <> token)
        or chain.any_behind(p_chain_id, array[token, p_compliance, p_module] || array(
            select x.address::bytea from chain.contract_links r
            join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
            cross join lateral (values (r.target), (s.target)) x (address)
            where r.chain_id = p_chain_id and r.address = token and r.link = 'identity_registry'))
        or exists (
            select from chain.contract_links r
            join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
            join chain.registrations g on g.chain_id = s.chain_id and g.storage = s.target and g.undetermined
            where r.chain_id = p_chain_id and r.address = token and r.link = 'identity_registry') then
        return null;
    end if;
    -- A preset says what the count is; the movements since then come on top.
    select p.value, array[p.from_block, p.from_log] as at into preset
    from chain.module_parameters p
    where p.chain_id = p_chain_id and p.module = p_module and p.scope = p_compliance and p.parameter = 'preset_balance'
        and p.argument = '0x' || encode(p_identity, 'hex') and p.to_block is null;
    -- The stretches in which the token asked this compliance, the compliance this module, and the token's registry said
    -- that the wallet is the identity's. What the wallet got in each is what the module counted.
    select coalesce(sum(coalesce(e.balance, 0) - coalesce(b.balance, 0)), 0) into counted
    from chain.contract_links m
    join chain.contract_links c on c.chain_id = m.chain_id and c.address = token and c.link = 'compliance'
        and c.target = p_compliance
    join chain.contract_links r on r.chain_id = m.chain_id and r.address = token and r.link = 'identity_registry'
    join chain.contract_links s on s.chain_id = m.chain_id and s.address = r.target and s.link = 'storage'
    -- Each half by an index of its own.
    cross join lateral (
        select o.wallet, o.from_block, o.from_log, o.to_block, o.to_log from chain.registrations o
        where o.chain_id = p_chain_id and o.storage = s.target and o.identity = p_identity and o.to_block is null
        union all
        select o.wallet, o.from_block, o.from_log, o.to_block, o.to_log from chain.registrations o
        where o.chain_id = p_chain_id and o.storage = s.target and o.identity = p_identity and o.to_block is not null) g
    cross join lateral (
        select greatest(array[m.from_block, m.from_log], array[c.from_block, c.from_log], array[r.from_block, r.from_log],
                array[s.from_block, s.from_log], array[g.from_block, g.from_log], preset.at) as begins,
            coalesce(least(
                case when m.to_block is not null then array[m.to_block, m.to_log] end,
                case when c.to_block is not null then array[c.to_block, c.to_log] end,
                case when r.to_block is not null then array[r.to_block, r.to_log] end,
                case when s.to_block is not null then array[s.to_block, s.to_log] end,
                case when g.to_block is not null then array[g.to_block, g.to_log] end), array[9223372036854775807, 0]) as ends
        offset 0) t
    left join lateral (
        select h.balance from chain.ownership_history h
        where h.chain_id = p_chain_id and h.asset_id = p_asset and h.holder = g.wallet
            and (h.block_number, h.log_index) < (t.begins[1], t.begins[2])
        order by h.block_number desc, h.log_index desc limit 1) b on true
    left join lateral (
        select h.balance from chain.ownership_history h
        where h.chain_id = p_chain_id and h.asset_id = p_asset and h.holder = g.wallet
            and (h.block_number, h.log_index) < (t.ends[1], t.ends[2])
        order by h.block_number desc, h.log_index desc limit 1) e on true
    where m.chain_id = p_chain_id and m.address = p_compliance and m.link = 'module' and m.slot = p_module
        and t.begins < t.ends;
    return coalesce(preset.value, 0) + counted;
end
$$;
comment on function chain.counted_balance is 'What a MaxBalanceModule (T-REX 4.1.6) counts for an identity now: its last preset, and the movements of the identity''s wallets since then while the module was bound. Null where the logs do not tell it exactly.';

create function chain.modules_in_force(p_chain_id bigint, p_token bytea, p_at_block bigint default null)
returns table (module bytea, module_name text, is_settled boolean, countries text[], most numeric)
language sql stable parallel safe
begin atomic
    select m.target::bytea, x.name,
        not chain.any_behind(p_chain_id, array[m.target::bytea, c.target::bytea, p_token]) and exists (
            select from chain.module_parameters b where b.chain_id = p_chain_id and b.module = m.target and b.scope = c.target
                and b.parameter = 'bound' and b.argument = '' and chain.in_force(b.from_block, b.to_block, p_at_block)),
        array(
            select p.argument from chain.module_parameters p where p.chain_id = p_chain_id and p.module = m.target
                and p.scope = c.target and chain.in_force(p.from_block, p.to_block, p_at_block)
                and p.parameter = case x.name when 'CountryAllowModule' then 'allowed_country'
                    when 'CountryRestrictModule' then 'restricted_country' end),
        (select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = m.target
            and p.scope = c.target and p.argument = '' and chain.in_force(p.from_block, p.to_block, p_at_block)
            and p.parameter = case x.name when 'MaxBalanceModule' then 'max_balance'
                when 'SupplyLimitModule' then 'supply_limit' end)
    from chain.contract_links c
    join chain.contract_links m on m.chain_id = c.chain_id and m.address = c.target and m.link = 'module'
        and chain.in_force(m.from_block, m.to_block, p_at_block)
    left join chain.compliance_modules x on x.chain_id = m.chain_id and x.module = m.target
    where c.chain_id = p_chain_id and c.address = p_token and c.link = 'compliance' and c.slot = chain.zero_address()
        and chain.in_force(c.from_block, c.to_block, p_at_block);
end;
comment on function chain.modules_in_force is 'The modules of a token''s compliance at the end of a block, or now: what each calls itself today, whether its rules are known from its binding on, and the countries or the limit that it was given.';

create function chain.judge_modules(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_storage bytea, p_from bytea, p_to bytea,
    p_amount numeric)
returns table (refused text, unknown text) language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    module record;
    asset record;
    giver record;
    taker record;
    words text;
    most numeric;
    counted numeric;
    paying numeric;
begin
    select a.contract_address, a.total_supply,
        exists (select from chain.contract_links t where t.chain_id = p_chain_id and t.address = p_compliance and t.link = 'token'
            and t.target = a.contract_address and t.to_block is null) as is_bound
    into asset
    from chain.assets a where a.chain_id = p_chain_id and a.id = p_asset;
    select g.identity::bytea, g.country, g.undetermined into taker from chain.registrations g
    where g.chain_id = p_chain_id and g.storage = p_storage and g.wallet = p_to and g.to_block is null;
    select g.identity::bytea, g.undetermined into giver from chain.registrations g
    where g.chain_id = p_chain_id and g.storage = p_storage and g.wallet = p_from and g.to_block is null;
    for module in
        select l.target::bytea as address, x.name, exists (
            select from chain.module_parameters b where b.chain_id = p_chain_id and b.module = l.target
                and b.scope = p_compliance and b.parameter = 'bound' and b.argument = '' and b.to_block is null) as is_told
        from chain.contract_links l
        left join chain.compliance_modules x on x.chain_id = l.chain_id and x.module = l.target
        where l.chain_id = p_chain_id and l.address = p_compliance and l.link = 'module' and l.to_block is null
    loop
        refused := null;
        unknown := null;
        words := coalesce(module.name, 'module') || ' ' || api.hex(module.address);
        -- Where ComplianceBound is missing, so may be what it was given since.
        if chain.any_behind(p_chain_id, array[module.address, p_compliance, p_storage]) then
            unknown := words || ' is catching up, or what it looks at';
        elsif module.name is null or module.name not in ('CountryAllowModule', 'CountryRestrictModule', 'MaxBalanceModule',
                'SupplyLimitModule', 'TransferRestrictModule') then
            unknown := words || ' has rules of its own';
        elsif not module.is_told then
            unknown := words || ' did not log that it serves this compliance';
        elsif module.name = 'TransferRestrictModule' then
            if p_from <> chain.zero_address() and p_to <> chain.zero_address() and not exists (
                    select from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.parameter = 'allowed_user'
                        and p.argument in (api.hex(p_from), api.hex(p_to)) and p.to_block is null) then
                refused := words || ' allows neither sender nor recipient';
            end if;
        elsif not asset.is_bound then
            unknown := words || ' asks a token, and the compliance did not log that it serves this one';
        elsif module.name = 'SupplyLimitModule' then
            if p_from = chain.zero_address() then
                most := coalesce((
                    select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.parameter = 'supply_limit' and p.argument = '' and p.to_block is null), 0);
                if asset.total_supply + p_amount > most then
                    refused := words || ' lets the supply be ' || most || ' base units, and it is ' || asset.total_supply;
                end if;
            end if;
        elsif taker.identity is null or taker.identity = chain.zero_address() then
            unknown := words || ' asks who the recipient is, who is not registered';
        elsif module.name in ('CountryAllowModule', 'CountryRestrictModule') then
            if taker.country is null then
                unknown := words || ' asks the recipient''s country, which is not known';
            elsif exists (
                    select from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.argument = taker.country::text and p.to_block is null
                        and p.parameter = case module.name when 'CountryAllowModule' then 'allowed_country' else 'restricted_country' end)
                    <> (module.name = 'CountryAllowModule') then
                refused := words || case module.name when 'CountryAllowModule' then ' does not allow' else ' restricts' end
                    || ' the recipient''s country ' || taker.country;
            end if;
        else
            most := coalesce((
                select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                    and p.scope = p_compliance and p.parameter = 'max_balance' and p.argument = '' and p.to_block is null), 0);
            if p_amount > most then
                refused := words || ' lets an identity have ' || most || ' base units';
            elsif taker.undetermined then
                unknown := words || ' counts by identity, and the recipient''s is not known';
            else
                counted := chain.counted_balance(p_chain_id, p_asset, p_compliance, module.address, taker.identity);
                if counted is null then
                    unknown := words || ' counts by identity, and the logs do not tell exactly what it counted';
                elsif counted + p_amount > most then
                    refused := words || ' lets an identity have ' || most || ' base units, and counts ' || counted;
                elsif p_from <> chain.zero_address() then
                    -- After the check it takes the amount from the sender's count, which cannot go below zero.
                    if giver.identity is null or giver.identity = chain.zero_address() then
                        refused := words || ' counts by identity, and the sender has none';
                    elsif giver.undetermined then
                        unknown := words || ' counts by identity, and the sender''s is not known';
                    elsif giver.identity <> taker.identity then
                        paying := chain.counted_balance(p_chain_id, p_asset, p_compliance, module.address, giver.identity);
                        if paying is null then
                            unknown := words || ' counts by identity, and the logs do not tell exactly what it counted';
                        elsif paying < p_amount then
                            refused := words || ' counts ' || paying || ' base units for the sender''s identity';
                        end if;
                    end if;
                end if;
            end if;
        end if;
        if refused is not null or unknown is not null then
            return next;
        end if;
    end loop;
end
$$;
comment on function chain.judge_modules is 'What the modules of a compliance would say now of a movement (from the zero address: a mint), by moduleCheck and the moduleTransferAction after it (T-REX 4.1.6): a row for each that would refuse, or of which the logs do not tell.';

create or replace function api.check_eligibility(asset uuid, from_wallet text, to_wallet text, amount_base numeric)
returns table (eligible text, reasons text[])
language plpgsql stable parallel safe rows 1
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    subject record;
    judged record;
    sender constant bytea := api.address(from_wallet);
    recipient constant bytea := api.address(to_wallet);
    mint boolean;
    no text[] := '{}';
    maybe text[] := '{}';
begin
    select a.chain_id, a.paused, a.asset_type = 'erc3643' as is_trex, a.complete_from, s.holder as sender_known,
        r.target::bytea as registry, c.target::bytea as compliance, coalesce(s.balance - s.frozen, 0) as free,
        coalesce(s.wallet_frozen, false) as sender_frozen, coalesce(t.wallet_frozen, false) as recipient_frozen,
        chain.any_behind(a.chain_id, array[a.contract_address::bytea]) as behind
    into subject
    from chain.assets a
    left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
        and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
    left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
        and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
    left join chain.asset_holders s on s.chain_id = a.chain_id and s.asset_id = a.id and s.holder = sender
    left join chain.asset_holders t on t.chain_id = a.chain_id and t.asset_id = a.id and t.holder = recipient
    where a.id = check_eligibility.asset;
    if not found then
        return query select 'undetermined', array['the asset is not known'];
        return;
    end if;
    -- What a holder may not do with a T-REX token, an agent may: mints pass pause and freezes, but not the rules.
    mint := subject.is_trex and sender = chain.zero_address();
    no := array_remove(array[
        case when amount_base < 0 then 'the amount is below zero' end,
        case when amount_base <> trunc(amount_base) then 'the amount is no whole number of base units' end,
        case when recipient = chain.zero_address() then 'the recipient is the zero address' end,
        case when sender = chain.zero_address() and not mint then 'the sender is the zero address' end], null);
    maybe := array_remove(array[
        case when amount_base is null then 'no amount is given' end,
        case when sender is null or recipient is null then 'a wallet is not given' end,
        case when subject.is_trex and subject.registry is null then 'the asset''s identity registry is not known' end,
        case when subject.is_trex and subject.compliance is null then 'the asset''s compliance is not known' end,
        case when subject.behind then 'the asset''s past is still being read' end], null);
    if mint is not true then
        no := no || array_remove(array[
            case when subject.paused then 'the asset is paused' end,
            case when subject.sender_frozen then 'the sender''s wallet is frozen' end,
            case when subject.recipient_frozen then 'the recipient''s wallet is frozen' end], null);
        maybe := maybe || array_remove(array[
            case when subject.is_trex and subject.paused is null then 'whether the asset is paused is not known' end], null);
        if subject.free < amount_base then
            -- A sender without a row may hold units that were not read.
            if subject.behind or subject.complete_from is not null and subject.sender_known is null then
                maybe := maybe || format('the sender may move %s base units', greatest(subject.free, 0));
            else
                no := no || format('the sender may move %s base units', greatest(subject.free, 0));
            end if;
        end if;
    end if;
    if subject.registry is not null then
        select d.verdict, d.reason, d.storage into judged from chain.verdict(subject.chain_id, subject.registry, recipient, null) d;
        if judged.verdict = 'not_verified' then
            no := no || ('the recipient is not verified: ' || coalesce(judged.reason, ''));
        elsif judged.verdict = 'undetermined' then
            maybe := maybe || ('the recipient: ' || coalesce(judged.reason, ''));
        end if;
    else
        select null::bytea as storage into judged;
    end if;
    if subject.compliance is not null and sender is not null and recipient is not null and amount_base is not null then
        select no || coalesce(array_agg(m.refused) filter (where m.refused is not null), '{}'),
            maybe || coalesce(array_agg(m.unknown) filter (where m.unknown is not null), '{}')
        into no, maybe
        from chain.judge_modules(subject.chain_id, check_eligibility.asset, subject.compliance, judged.storage, sender, recipient,
            amount_base) m;
        -- ModularCompliance.transferred and created refuse a movement of nothing; other compliances need not.
        if amount_base = 0 and subject.is_trex then
            if exists (select from chain.contract_links l where l.chain_id = subject.chain_id and l.address = subject.compliance
                    and l.link = 'module') then
                no := no || 'the compliance refuses to move nothing'::text;
            else
                maybe := maybe || 'whether the compliance lets nothing be moved is not known'::text;
            end if;
        end if;
    end if;
    return query select case when cardinality(no) > 0 then 'no' when cardinality(maybe) > 0 then 'undetermined' else 'yes' end,
        array(select x from unnest(no) x order by x) || array(select x from unnest(maybe) x order by x);
end
$$;
comment on function api.check_eligibility is
'Whether a transfer between two wallets would be let through as of the checkpoint (T-REX 4: pause, freezes, free balance, isVerified of the recipient, the rules of the compliance''s modules), with all reasons: yes, no, or undetermined where the logs do not tell (a module has rules of its own, a claim cannot be judged). From the zero address: whether an agent may mint, which pause and freezes do not stop. Forced transfers and burns ask no module. Amounts in base units.';

grant execute on function chain.any_behind(bigint, bytea[]), chain.modules_in_force(bigint, bytea, bigint), chain.counted_balance(bigint, uuid, bytea, bytea, bytea),
    chain.judge_modules(bigint, uuid, bytea, bytea, bytea, bytea, numeric)
to asset_indexer_reader, asset_indexer_writer;
