set local lock_timeout = '500ms';
create or replace function api.check_eligibility(asset uuid, from_wallet text, to_wallet text, amount_base numeric)
returns table (eligible text, reasons text[])
language sql stable parallel safe rows 1
begin atomic
    with subject as (
        select a.chain_id, a.paused, a.asset_type = 'erc3643' as is_trex, a.complete_from, s.holder as sender_known,
            api.address(from_wallet) as sender, r.target as registry, c.target as compliance, s.balance, s.frozen,
            coalesce(s.wallet_frozen, false) as sender_frozen, coalesce(t.wallet_frozen, false) as recipient_frozen,
            api.address(to_wallet) as recipient, v.through_block is not null as behind
        from chain.assets a
        left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address
        left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
            and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
        left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
            and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
        left join chain.asset_holders s on s.chain_id = a.chain_id and s.asset_id = a.id
            and s.holder = api.address(from_wallet)
        left join chain.asset_holders t on t.chain_id = a.chain_id and t.asset_id = a.id
            and t.holder = api.address(to_wallet)
        where a.id = asset
    ), found as (
        select x.no, x.maybe
        from subject s
        left join lateral chain.verdict(s.chain_id, s.registry, s.recipient, null) d on s.registry is not null
        -- A sender without a row may hold units that were not read.
        cross join lateral (
            select coalesce(s.balance - s.frozen, 0) < amount_base as short,
                s.behind or s.complete_from is not null and s.sender_known is null as unseen,
                'the sender may move ' || greatest(coalesce(s.balance - s.frozen, 0), 0) || ' base units' as words) m
        cross join lateral (values
            (case when s.paused then 'the asset is paused' end, null),
            (case when amount_base < 0 then 'the amount is below zero' end,
                case when amount_base is null then 'no amount is given' end),
            (case when amount_base <> trunc(amount_base) then 'the amount is no whole number of base units' end, null),
            (case when s.sender = chain.zero_address() then 'the sender is the zero address' end,
                case when s.sender is null or s.recipient is null then 'a wallet is not given' end),
            (case when s.recipient = chain.zero_address() then 'the recipient is the zero address' end, null),
            (case when s.sender_frozen then 'the sender''s wallet is frozen' end, null),
            (case when s.recipient_frozen then 'the recipient''s wallet is frozen' end, null),
            (case when m.short and not m.unseen then m.words end, case when m.short and m.unseen then m.words end),
            (null, case when s.is_trex and s.registry is null then 'the asset''s identity registry is not known' end),
            (null, case when s.is_trex and s.compliance is null then 'the asset''s compliance is not known' end),
            (null, case when s.is_trex and s.paused is null then 'whether the asset is paused is not known' end),
            (case when d.verdict = 'not_verified' then 'the recipient is not verified: ' || coalesce(d.reason, '') end,
                case when d.verdict = 'undetermined' then 'the recipient: ' || coalesce(d.reason, '') end),
            (null, case when s.behind then 'the asset''s past is still being read' end)
        ) x (no, maybe)
        union all
        select null, 'module ' || api.hex(m.target) || ' has rules of its own'
        from subject s
        join chain.contract_links m on m.chain_id = s.chain_id and m.address = s.compliance and m.link = 'module'
            and m.to_block is null
    )
    select case
            when not exists (select from subject) then 'undetermined'
            when count(f.no) > 0 then 'no'
            when count(f.maybe) > 0 then 'undetermined'
            else 'yes'
        end,
        case when not exists (select from subject) then array['the asset is not known']
            else array_remove(array_agg(coalesce(f.no, f.maybe) order by f.no is null, f.no, f.maybe), null) end
    from found f;
end;
comment on function api.check_eligibility is
'Whether a transfer between two wallets would be let through as of the checkpoint (T-REX: pause, freezes, free balance, isVerified of the recipient), with all reasons: yes, no, or undetermined where the logs do not tell (a compliance module has rules of its own, a claim cannot be judged). Amounts in base units.';
drop function chain.judge_modules(bigint, uuid, bytea, bytea, bytea, bytea, numeric),
    chain.modules_in_force(bigint, bytea, bigint), chain.counted_balance(bigint, uuid, bytea, bytea, bytea), chain.any_behind(bigint, bytea[]);
drop index chain.registrations_undetermined, chain.registrations_identity_past;
