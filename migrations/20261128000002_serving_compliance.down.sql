set local lock_timeout = '500ms';
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
drop function chain.judge_compliance(bigint, bytea, bytea);
drop index chain.asset_events_compliance_kind;
