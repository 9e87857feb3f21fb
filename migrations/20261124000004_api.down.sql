-- Back: nothing is stored here, so nothing is lost.
revoke select (chain_id, address, from_block, through_block) on ops.coverage from asset_indexer_reader;
revoke select on
    chain.checkpoints, chain.assets, chain.asset_events, chain.asset_transactions, chain.asset_operations,
    chain.asset_holders, chain.ownership_history, chain.asset_permissions, chain.registrations,
    chain.verification_providers, chain.required_topics, chain.identities, chain.identity_links, chain.identity_keys,
    chain.identity_claims, chain.claim_revocations, chain.contracts, chain.contract_links, chain.audit_trail,
    chain.system_events
from asset_indexer_reader;
drop function api.holdings(text);
drop function api.claims_at(uuid, bigint);
drop function api.balance_at(uuid, text, bigint);
drop function api.holders_at_time(uuid, timestamptz);
drop function api.holders_at(uuid, bigint);
drop function chain.positions_as_of(uuid, bigint, timestamptz);
drop function chain.supply_as_of(uuid, bigint, timestamptz);
drop view api.system_events;
drop view api.audit_trail;
drop view api.contract_links;
drop view api.contracts;
drop view api.required_topics;
drop view api.verification_providers;
drop view api.registrations;
drop view api.claim_revocations;
drop view api.identity_keys;
drop view api.identity_claims;
drop view api.identities;
drop view api.asset_permissions;
drop view api.ownership_history;
drop view api.asset_holders;
drop view api.asset_operations;
drop view api.asset_transactions;
drop view api.asset_events;
drop view api.assets;
drop view api.checkpoints;
drop function chain.verdicts_of(bigint, bytea);
drop function chain.verdict(bigint, bytea, bytea, bigint);
drop function chain.verdicts(bigint, bytea, bigint);
drop function chain.judge(bigint, bytea, boolean, numeric[], numeric[], bytea[], bytea[], bytea[], boolean, bigint);
drop function chain.verification_rules(bigint, bytea, bigint);
drop index ops.coverage_behind;
drop index chain.registrations_identity_wallets;
drop index chain.identities_id;
drop index chain.assets_id;
drop function chain.is_behind(bigint, bigint);
drop function chain.in_force(bigint, bigint, bigint);
drop function chain.finality(bigint, bigint);
drop function chain.zero_address();
drop function chain.block_of(uuid);
drop function api.units(numeric, bigint);
drop function api.address(text);
drop function api.hex(bytea);
