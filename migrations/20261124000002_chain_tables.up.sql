-- The tables of the chain, as the program declares them (src/table): a test compares this file with the declarations.
--
-- Facts are partitioned by chain and block, so that a reorg, a re-index and an archive each touch few partitions; the
-- register's past by asset, because it is asked about one asset at a time. There is no default partition: rows without
-- a partition are a bug to be seen, not a pile to be moved later. Facts carry no foreign keys (decision 7).
create table chain.configured_contracts (
    chain_id bigint not null,
    address chain.address not null,
    role text not null,
    start_block bigint not null,
    opening_hash chain.hash32,
    primary key (chain_id, address)
);
comment on table chain.configured_contracts is 'Contracts named by the configuration: where following starts.';
comment on column chain.configured_contracts.chain_id is 'The chain.';
comment on column chain.configured_contracts.address is 'The contract.';
comment on column chain.configured_contracts.role is 'What it is to the register.';
comment on column chain.configured_contracts.start_block is 'First block whose logs are read.';
comment on column chain.configured_contracts.opening_hash is 'Set where indexing starts after the first event on purpose: hash of the block before start_block, at which opening balances are observed.';

create table chain.asset_events (
    chain_id bigint not null,
    block_number bigint not null,
    log_index bigint not null,
    part bigint not null,
    id uuid not null,
    asset_id uuid,
    block_hash chain.hash32 not null,
    block_timestamp timestamptz not null,
    transaction_hash chain.hash32 not null,
    transaction_index bigint not null,
    address chain.address not null,
    role text not null,
    event_type text,
    event_data jsonb,
    unreadable text,
    topic0 chain.hash32,
    topic1 chain.hash32,
    topic2 chain.hash32,
    topic3 chain.hash32,
    data bytea not null,
    primary key (chain_id, block_number, log_index, part)
) partition by list (chain_id);
comment on table chain.asset_events is 'Every log of every watched contract, raw and, where its ABI is known, decoded.';
comment on column chain.asset_events.chain_id is 'The chain (EIP-155 id).';
comment on column chain.asset_events.block_number is 'Height of the block.';
comment on column chain.asset_events.log_index is 'Index of the log in its block.';
comment on column chain.asset_events.part is '0: a log is one event.';
comment on column chain.asset_events.id is 'Computed from chain, block hash and log index: the same after every re-index.';
comment on column chain.asset_events.asset_id is 'The asset that emitted the log; null for registries, identities, factories.';
comment on column chain.asset_events.block_hash is 'Hash of the block.';
comment on column chain.asset_events.block_timestamp is 'The block''s time.';
comment on column chain.asset_events.transaction_hash is 'Transaction that emitted the log.';
comment on column chain.asset_events.transaction_index is 'Its position in the block.';
comment on column chain.asset_events.address is 'Contract that emitted the log.';
comment on column chain.asset_events.role is 'What the contract is to the register.';
comment on column chain.asset_events.event_type is 'Name of the event in its ABI; null where it could not be read.';
comment on column chain.asset_events.event_data is 'Parameters by name: integers above 48 bits as decimal strings, bytes as 0x text.';
comment on column chain.asset_events.unreadable is 'Why the log could not be decoded; null where it could.';
comment on column chain.asset_events.topic0 is 'First topic; null for an anonymous event.';
comment on column chain.asset_events.topic1 is 'Second topic.';
comment on column chain.asset_events.topic2 is 'Third topic.';
comment on column chain.asset_events.topic3 is 'Fourth topic.';
comment on column chain.asset_events.data is 'The log''s data, byte for byte.';

create table chain.observations (
    chain_id bigint not null,
    block_number bigint not null,
    target chain.address not null,
    input bytea not null,
    block_hash chain.hash32 not null,
    outcome text not null,
    output bytea,
    primary key (chain_id, block_number, target, input)
);
comment on table chain.observations is 'Answers to calls that were pinned to a block: what no log tells.';
comment on column chain.observations.chain_id is 'The chain.';
comment on column chain.observations.block_number is 'The block at whose end the call was answered.';
comment on column chain.observations.target is 'The contract that was called.';
comment on column chain.observations.input is 'Selector and arguments.';
comment on column chain.observations.block_hash is 'Hash of that block.';
comment on column chain.observations.outcome is 'returned, reverted, or unavailable where the node does not keep that state.';
comment on column chain.observations.output is 'What the contract returned.';

create table chain.transaction_inputs (
    chain_id bigint not null,
    block_number bigint not null,
    transaction_index bigint not null,
    transaction_hash chain.hash32 not null,
    from_address chain.address not null,
    to_address chain.address,
    input bytea not null,
    primary key (chain_id, block_number, transaction_index)
);
comment on table chain.transaction_inputs is 'Transactions whose call data tells what their logs do not.';
comment on column chain.transaction_inputs.chain_id is 'The chain.';
comment on column chain.transaction_inputs.block_number is 'Height of the block.';
comment on column chain.transaction_inputs.transaction_index is 'Position in the block.';
comment on column chain.transaction_inputs.transaction_hash is 'Hash of the transaction.';
comment on column chain.transaction_inputs.from_address is 'Who signed it.';
comment on column chain.transaction_inputs.to_address is 'The contract called; null for a deployment.';
comment on column chain.transaction_inputs.input is 'The call data.';

create table chain.contracts (
    chain_id bigint not null,
    address chain.address not null,
    role text not null,
    announced_by chain.address,
    announced_block bigint,
    announced_log bigint,
    announced_as text,
    primary key (chain_id, address)
) with (fillfactor = 80);
comment on table chain.contracts is 'Every contract whose logs are followed, and the earliest log that announced it.';
comment on column chain.contracts.chain_id is 'The chain.';
comment on column chain.contracts.address is 'The contract.';
comment on column chain.contracts.role is 'What it is to the register.';
comment on column chain.contracts.announced_by is 'Contract whose log announced it; null where the configuration did.';
comment on column chain.contracts.announced_block is 'Block of the earliest log that announced it.';
comment on column chain.contracts.announced_log is 'Index of that log.';
comment on column chain.contracts.announced_as is 'Name of the announcing event.';

create table ops.coverage (
    chain_id bigint not null,
    address chain.address not null,
    from_block bigint not null,
    through_block bigint,
    primary key (chain_id, address)
);
comment on table ops.coverage is 'Which blocks of a contract have been read. One without a through follows the checkpoint.';
comment on column ops.coverage.chain_id is 'The chain.';
comment on column ops.coverage.address is 'The contract.';
comment on column ops.coverage.from_block is 'First block read.';
comment on column ops.coverage.through_block is 'Last block read while catching up; null once the checkpoint speaks for it.';

create table chain.contract_links (
    chain_id bigint not null,
    address chain.address not null,
    link text not null,
    slot chain.address not null,
    from_block bigint not null,
    from_log bigint not null,
    target chain.address not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, address, link, slot, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.contract_links is 'Pointers between contracts, by version: a token''s registry, a registry''s storage, a compliance''s modules.';
comment on column chain.contract_links.chain_id is 'The chain.';
comment on column chain.contract_links.address is 'The contract that points.';
comment on column chain.contract_links.link is 'What the pointer means.';
comment on column chain.contract_links.slot is 'The target where many are possible, the zero address where one is.';
comment on column chain.contract_links.from_block is 'Block of the log that began this version.';
comment on column chain.contract_links.from_log is 'Index of that log in its block.';
comment on column chain.contract_links.target is 'The contract pointed to.';
comment on column chain.contract_links.from_at is 'Block time of that log.';
comment on column chain.contract_links.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.contract_links.to_log is 'Index of the log that ended this version.';
comment on column chain.contract_links.to_at is 'Block time of the log that ended this version.';
create unique index contract_links_open on chain.contract_links (chain_id, address, link, slot) where to_block is null;

create table chain.assets (
    chain_id bigint not null,
    id uuid not null,
    contract_address chain.address not null,
    asset_type text not null,
    name text,
    symbol text,
    decimals bigint,
    version text,
    paused boolean,
    total_supply numeric not null,
    holder_count bigint not null,
    complete_from bigint,
    negative_balance boolean not null,
    exceeds_uint256 boolean not null,
    unreadable_logs bigint not null,
    created_block bigint not null,
    created_at timestamptz not null,
    primary key (chain_id, id)
) with (fillfactor = 80);
comment on table chain.assets is 'Tokenized assets, one row a token contract.';
comment on column chain.assets.chain_id is 'The chain.';
comment on column chain.assets.id is 'Computed from chain and contract address.';
comment on column chain.assets.contract_address is 'The token contract.';
comment on column chain.assets.asset_type is 'erc20 or erc3643.';
comment on column chain.assets.name is 'Name, observed where the token first appears and at each change; null where it cannot be told.';
comment on column chain.assets.symbol is 'Symbol, as the name.';
comment on column chain.assets.decimals is 'How many decimal places one unit has.';
comment on column chain.assets.version is 'T-REX version the token announced.';
comment on column chain.assets.paused is 'Whether transfers are stopped; null where the contract has no pause or it cannot be told.';
comment on column chain.assets.total_supply is 'Sum of mints less burns, in base units.';
comment on column chain.assets.holder_count is 'Wallets with a balance other than zero.';
comment on column chain.assets.complete_from is 'Set where indexing began after the first event on purpose: from this block on the register is complete, except for holders who have not moved since.';
comment on column chain.assets.negative_balance is 'A wallet spent what no log had given it, at least once.';
comment on column chain.assets.exceeds_uint256 is 'A sum left what a contract can hold, at least once.';
comment on column chain.assets.unreadable_logs is 'Logs of the contract that could not be decoded; they are kept raw.';
comment on column chain.assets.created_block is 'Block of the contract''s first log.';
comment on column chain.assets.created_at is 'Block time of the contract''s first log.';

create table chain.asset_holders (
    chain_id bigint not null,
    asset_id uuid not null,
    holder chain.address not null,
    balance numeric not null,
    frozen numeric not null,
    wallet_frozen boolean not null,
    first_block bigint not null,
    updated_block bigint not null,
    updated_at timestamptz not null,
    primary key (chain_id, asset_id, holder)
) with (fillfactor = 80);
comment on table chain.asset_holders is 'The register: one row for each wallet that ever held, or was frozen in, an asset.';
comment on column chain.asset_holders.chain_id is 'The chain.';
comment on column chain.asset_holders.asset_id is 'The asset.';
comment on column chain.asset_holders.holder is 'The wallet.';
comment on column chain.asset_holders.balance is 'Units held; below zero where the logs do not explain what was spent.';
comment on column chain.asset_holders.frozen is 'Units of the balance that the holder may not move.';
comment on column chain.asset_holders.wallet_frozen is 'Whether the wallet is frozen as a whole.';
comment on column chain.asset_holders.first_block is 'Block of the log that made the row.';
comment on column chain.asset_holders.updated_block is 'Block of the last log that changed it.';
comment on column chain.asset_holders.updated_at is 'Block time of that log.';

create table chain.ownership_history (
    chain_id bigint not null,
    asset_id uuid not null,
    holder chain.address not null,
    block_number bigint not null,
    log_index bigint not null,
    id uuid not null,
    balance numeric not null,
    frozen numeric not null,
    wallet_frozen boolean not null,
    block_hash chain.hash32 not null,
    timestamp timestamptz not null,
    transaction_hash chain.hash32 not null,
    primary key (chain_id, asset_id, holder, block_number, log_index)
) partition by hash (asset_id);
comment on table chain.ownership_history is 'The register''s past: a row per change of a wallet''s balance, frozen part or freeze, with all three after it.';
comment on column chain.ownership_history.chain_id is 'The chain.';
comment on column chain.ownership_history.asset_id is 'The asset.';
comment on column chain.ownership_history.holder is 'The wallet.';
comment on column chain.ownership_history.block_number is 'Block of the log.';
comment on column chain.ownership_history.log_index is 'Index of the log in its block.';
comment on column chain.ownership_history.id is 'Computed from asset, wallet and the log''s place.';
comment on column chain.ownership_history.balance is 'Units held after the log.';
comment on column chain.ownership_history.frozen is 'Units frozen after the log.';
comment on column chain.ownership_history.wallet_frozen is 'Whether the wallet was frozen after the log.';
comment on column chain.ownership_history.block_hash is 'Hash of the block.';
comment on column chain.ownership_history.timestamp is 'The block''s time.';
comment on column chain.ownership_history.transaction_hash is 'Transaction of the log.';

create table chain.asset_transactions (
    chain_id bigint not null,
    block_number bigint not null,
    log_index bigint not null,
    part bigint not null,
    id uuid not null,
    asset_id uuid not null,
    block_hash chain.hash32 not null,
    block_timestamp timestamptz not null,
    transaction_hash chain.hash32 not null,
    transaction_index bigint not null,
    operation_type text not null,
    event_count bigint not null,
    transfer_count bigint not null,
    amount numeric not null,
    primary key (chain_id, block_number, log_index, part)
) partition by list (chain_id);
comment on table chain.asset_transactions is 'One row for each transaction that touched an asset, with what it was.';
comment on column chain.asset_transactions.chain_id is 'The chain.';
comment on column chain.asset_transactions.block_number is 'Height of the block.';
comment on column chain.asset_transactions.log_index is 'Index of the asset''s first log in the transaction.';
comment on column chain.asset_transactions.part is '0: an asset has one row per transaction.';
comment on column chain.asset_transactions.id is 'Computed from the first log''s place.';
comment on column chain.asset_transactions.asset_id is 'The asset.';
comment on column chain.asset_transactions.block_hash is 'Hash of the block.';
comment on column chain.asset_transactions.block_timestamp is 'The block''s time.';
comment on column chain.asset_transactions.transaction_hash is 'The transaction.';
comment on column chain.asset_transactions.transaction_index is 'Its position in the block.';
comment on column chain.asset_transactions.operation_type is 'The weightiest of what the transaction did to the asset.';
comment on column chain.asset_transactions.event_count is 'How many logs the asset emitted in it.';
comment on column chain.asset_transactions.transfer_count is 'How many of them moved units.';
comment on column chain.asset_transactions.amount is 'Sum of the units moved.';

create table chain.asset_operations (
    chain_id bigint not null,
    block_number bigint not null,
    log_index bigint not null,
    part bigint not null,
    id uuid not null,
    asset_id uuid not null,
    transaction_id uuid not null,
    operation_type text not null,
    from_address chain.address,
    to_address chain.address,
    amount numeric,
    parameters jsonb not null,
    executed_by chain.address,
    executed_at timestamptz not null,
    block_hash chain.hash32 not null,
    transaction_hash chain.hash32 not null,
    primary key (chain_id, block_number, log_index, part)
) partition by list (chain_id);
comment on table chain.asset_operations is 'What was more than a plain transfer: mint, burn, forced transfer, recovery, freeze, pause, roles, links.';
comment on column chain.asset_operations.chain_id is 'The chain.';
comment on column chain.asset_operations.block_number is 'Height of the block.';
comment on column chain.asset_operations.log_index is 'Index of the log.';
comment on column chain.asset_operations.part is '0: a log is one operation.';
comment on column chain.asset_operations.id is 'Computed from the log''s place.';
comment on column chain.asset_operations.asset_id is 'The asset.';
comment on column chain.asset_operations.transaction_id is 'The row of asset_transactions it belongs to.';
comment on column chain.asset_operations.operation_type is 'What was done.';
comment on column chain.asset_operations.from_address is 'Whose units moved, or whose role ended.';
comment on column chain.asset_operations.to_address is 'Who received them, or who was concerned.';
comment on column chain.asset_operations.amount is 'Units concerned.';
comment on column chain.asset_operations.parameters is 'Whatever else the event says.';
comment on column chain.asset_operations.executed_by is 'Who did it, where the log or the transaction''s input tells.';
comment on column chain.asset_operations.executed_at is 'The block''s time.';
comment on column chain.asset_operations.block_hash is 'Hash of the block.';
comment on column chain.asset_operations.transaction_hash is 'The transaction.';

create table chain.asset_permissions (
    chain_id bigint not null,
    address chain.address not null,
    permission_type text not null,
    account chain.address not null,
    from_block bigint not null,
    from_log bigint not null,
    asset_id uuid,
    granted_in chain.hash32 not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, address, permission_type, account, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.asset_permissions is 'Agents and owners of tokens, registries, compliances and factories, by version.';
comment on column chain.asset_permissions.chain_id is 'The chain.';
comment on column chain.asset_permissions.address is 'The contract that the permission is for.';
comment on column chain.asset_permissions.permission_type is 'agent or owner.';
comment on column chain.asset_permissions.account is 'Who holds it.';
comment on column chain.asset_permissions.from_block is 'Block of the log that began this version.';
comment on column chain.asset_permissions.from_log is 'Index of that log in its block.';
comment on column chain.asset_permissions.asset_id is 'The asset, where the contract is a token.';
comment on column chain.asset_permissions.granted_in is 'Transaction that granted it.';
comment on column chain.asset_permissions.from_at is 'Block time of that log.';
comment on column chain.asset_permissions.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.asset_permissions.to_log is 'Index of the log that ended this version.';
comment on column chain.asset_permissions.to_at is 'Block time of the log that ended this version.';
create unique index asset_permissions_open on chain.asset_permissions (chain_id, address, permission_type, account) where to_block is null;

create table chain.registrations (
    chain_id bigint not null,
    storage chain.address not null,
    wallet chain.address not null,
    from_block bigint not null,
    from_log bigint not null,
    identity chain.address not null,
    identity_id uuid not null,
    country bigint,
    undetermined boolean not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, storage, wallet, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.registrations is 'Wallets registered in an identity registry storage, by version.';
comment on column chain.registrations.chain_id is 'The chain.';
comment on column chain.registrations.storage is 'The identity registry storage.';
comment on column chain.registrations.wallet is 'The wallet.';
comment on column chain.registrations.from_block is 'Block of the log that began this version.';
comment on column chain.registrations.from_log is 'Index of that log in its block.';
comment on column chain.registrations.identity is 'The identity the wallet belongs to.';
comment on column chain.registrations.identity_id is 'The row of identities.';
comment on column chain.registrations.country is 'ISO 3166-1 numeric; observed at registration, null where the node could not tell.';
comment on column chain.registrations.undetermined is 'A change of identity was logged that could not be told to be this wallet''s or another''s.';
comment on column chain.registrations.from_at is 'Block time of that log.';
comment on column chain.registrations.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.registrations.to_log is 'Index of the log that ended this version.';
comment on column chain.registrations.to_at is 'Block time of the log that ended this version.';
create unique index registrations_open on chain.registrations (chain_id, storage, wallet) where to_block is null;

create table chain.verification_providers (
    chain_id bigint not null,
    registry chain.address not null,
    issuer chain.address not null,
    from_block bigint not null,
    from_log bigint not null,
    topics numeric[] not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, registry, issuer, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.verification_providers is 'Issuers that a trusted issuers registry trusts, and for which topics, by version.';
comment on column chain.verification_providers.chain_id is 'The chain.';
comment on column chain.verification_providers.registry is 'The trusted issuers registry.';
comment on column chain.verification_providers.issuer is 'The claim issuer''s contract.';
comment on column chain.verification_providers.from_block is 'Block of the log that began this version.';
comment on column chain.verification_providers.from_log is 'Index of that log in its block.';
comment on column chain.verification_providers.topics is 'Claim topics the issuer is trusted for.';
comment on column chain.verification_providers.from_at is 'Block time of that log.';
comment on column chain.verification_providers.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.verification_providers.to_log is 'Index of the log that ended this version.';
comment on column chain.verification_providers.to_at is 'Block time of the log that ended this version.';
create unique index verification_providers_open on chain.verification_providers (chain_id, registry, issuer) where to_block is null;

create table chain.required_topics (
    chain_id bigint not null,
    registry chain.address not null,
    topic numeric not null,
    from_block bigint not null,
    from_log bigint not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, registry, topic, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.required_topics is 'Claim topics that a claim topics registry requires, by version.';
comment on column chain.required_topics.chain_id is 'The chain.';
comment on column chain.required_topics.registry is 'The claim topics registry.';
comment on column chain.required_topics.topic is 'The claim topic.';
comment on column chain.required_topics.from_block is 'Block of the log that began this version.';
comment on column chain.required_topics.from_log is 'Index of that log in its block.';
comment on column chain.required_topics.from_at is 'Block time of that log.';
comment on column chain.required_topics.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.required_topics.to_log is 'Index of the log that ended this version.';
comment on column chain.required_topics.to_at is 'Block time of the log that ended this version.';
create unique index required_topics_open on chain.required_topics (chain_id, registry, topic) where to_block is null;

create table chain.identities (
    chain_id bigint not null,
    id uuid not null,
    onchain_id chain.address not null,
    first_block bigint,
    first_at timestamptz,
    primary key (chain_id, id)
) with (fillfactor = 80);
comment on table chain.identities is 'Identities: of persons, tokens and claim issuers alike.';
comment on column chain.identities.chain_id is 'The chain.';
comment on column chain.identities.id is 'Computed from chain and contract address.';
comment on column chain.identities.onchain_id is 'The identity''s contract.';
comment on column chain.identities.first_block is 'Block of the contract''s own first log; null while it has logged nothing.';
comment on column chain.identities.first_at is 'Block time of that log.';

create table chain.identity_links (
    chain_id bigint not null,
    factory chain.address not null,
    account chain.address not null,
    from_block bigint not null,
    from_log bigint not null,
    identity chain.address not null,
    identity_id uuid not null,
    is_token boolean not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, factory, account, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.identity_links is 'Wallets and tokens that an ONCHAINID factory bound to identities, by version.';
comment on column chain.identity_links.chain_id is 'The chain.';
comment on column chain.identity_links.factory is 'The ONCHAINID factory.';
comment on column chain.identity_links.account is 'The wallet or token.';
comment on column chain.identity_links.from_block is 'Block of the log that began this version.';
comment on column chain.identity_links.from_log is 'Index of that log in its block.';
comment on column chain.identity_links.identity is 'The identity''s contract.';
comment on column chain.identity_links.identity_id is 'The row of identities.';
comment on column chain.identity_links.is_token is 'Whether the account is a token contract.';
comment on column chain.identity_links.from_at is 'Block time of that log.';
comment on column chain.identity_links.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.identity_links.to_log is 'Index of the log that ended this version.';
comment on column chain.identity_links.to_at is 'Block time of the log that ended this version.';
create unique index identity_links_open on chain.identity_links (chain_id, factory, account) where to_block is null;

create table chain.identity_keys (
    chain_id bigint not null,
    identity chain.address not null,
    key_hash chain.hash32 not null,
    purpose numeric not null,
    from_block bigint not null,
    from_log bigint not null,
    key_type numeric not null,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, identity, key_hash, purpose, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.identity_keys is 'Keys of identities (ERC-734), by version; purpose 1 manages, 3 signs claims.';
comment on column chain.identity_keys.chain_id is 'The chain.';
comment on column chain.identity_keys.identity is 'The identity''s contract.';
comment on column chain.identity_keys.key_hash is 'keccak256 of the ABI-encoded address, for keys that are addresses.';
comment on column chain.identity_keys.purpose is 'What the key may do.';
comment on column chain.identity_keys.from_block is 'Block of the log that began this version.';
comment on column chain.identity_keys.from_log is 'Index of that log in its block.';
comment on column chain.identity_keys.key_type is '1 is ECDSA.';
comment on column chain.identity_keys.from_at is 'Block time of that log.';
comment on column chain.identity_keys.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.identity_keys.to_log is 'Index of the log that ended this version.';
comment on column chain.identity_keys.to_at is 'Block time of the log that ended this version.';
create unique index identity_keys_open on chain.identity_keys (chain_id, identity, key_hash, purpose) where to_block is null;

create table chain.identity_claims (
    chain_id bigint not null,
    identity chain.address not null,
    claim_id chain.hash32 not null,
    from_block bigint not null,
    from_log bigint not null,
    id uuid not null,
    identity_id uuid not null,
    claim_type numeric not null,
    scheme numeric not null,
    issuer chain.address not null,
    id_matches boolean not null,
    signature bytea not null,
    signature_hash chain.hash32 not null,
    signer_key chain.hash32,
    claim_data bytea not null,
    uri text not null,
    expires_at timestamptz,
    transaction_hash chain.hash32 not null,
    ended_by text,
    from_at timestamptz not null,
    to_block bigint,
    to_log bigint,
    to_at timestamptz,
    primary key (chain_id, identity, claim_id, from_block, from_log)
) with (fillfactor = 80);
comment on table chain.identity_claims is 'Claims on identities (ERC-735), a row per version.';
comment on column chain.identity_claims.chain_id is 'The chain.';
comment on column chain.identity_claims.identity is 'The identity''s contract.';
comment on column chain.identity_claims.claim_id is 'keccak256 of issuer and topic on ONCHAINID.';
comment on column chain.identity_claims.from_block is 'Block of the log that began this version.';
comment on column chain.identity_claims.from_log is 'Index of that log in its block.';
comment on column chain.identity_claims.id is 'Computed from the place of the log that began the version.';
comment on column chain.identity_claims.identity_id is 'The row of identities.';
comment on column chain.identity_claims.claim_type is 'The claim topic.';
comment on column chain.identity_claims.scheme is 'Signature scheme; 1 is ECDSA.';
comment on column chain.identity_claims.issuer is 'The contract whose key signed the claim.';
comment on column chain.identity_claims.id_matches is 'Whether claim_id is what ONCHAINID makes of issuer and topic; where not, the identity runs code of its own, and the claim counts for nothing.';
comment on column chain.identity_claims.signature is 'Signature over identity, topic and data.';
comment on column chain.identity_claims.signature_hash is 'keccak256 of the signature: what a revocation names.';
comment on column chain.identity_claims.signer_key is 'keccak256 of the ABI-encoded signer recovered from the signature; null where none can be.';
comment on column chain.identity_claims.claim_data is 'The statement, or its digest.';
comment on column chain.identity_claims.uri is 'Where more can be read; what is not valid text is escaped.';
comment on column chain.identity_claims.expires_at is 'When the claim''s own data says it ends; null where its topic has no such rule.';
comment on column chain.identity_claims.transaction_hash is 'Transaction of the log that began the version.';
comment on column chain.identity_claims.ended_by is 'changed or removed; null while the version is in force.';
comment on column chain.identity_claims.from_at is 'Block time of that log.';
comment on column chain.identity_claims.to_block is 'Block of the log that ended this version; null while it is in force.';
comment on column chain.identity_claims.to_log is 'Index of the log that ended this version.';
comment on column chain.identity_claims.to_at is 'Block time of the log that ended this version.';
create unique index identity_claims_open on chain.identity_claims (chain_id, identity, claim_id) where to_block is null;

create table chain.claim_revocations (
    chain_id bigint not null,
    issuer chain.address not null,
    signature_hash chain.hash32 not null,
    revoked_block bigint not null,
    revoked_log bigint not null,
    revoked_at timestamptz not null,
    transaction_hash chain.hash32 not null,
    primary key (chain_id, issuer, signature_hash)
) with (fillfactor = 80);
comment on table chain.claim_revocations is 'Claims that their issuer revoked, known by the digest of their signature.';
comment on column chain.claim_revocations.chain_id is 'The chain.';
comment on column chain.claim_revocations.issuer is 'The contract that revoked.';
comment on column chain.claim_revocations.signature_hash is 'keccak256 of the revoked claim''s signature.';
comment on column chain.claim_revocations.revoked_block is 'Block of the first revocation.';
comment on column chain.claim_revocations.revoked_log is 'Index of its log.';
comment on column chain.claim_revocations.revoked_at is 'Its block time.';
comment on column chain.claim_revocations.transaction_hash is 'Its transaction.';

create table chain.ownership_history_0 partition of chain.ownership_history for values with (modulus 8, remainder 0);
create table chain.ownership_history_1 partition of chain.ownership_history for values with (modulus 8, remainder 1);
create table chain.ownership_history_2 partition of chain.ownership_history for values with (modulus 8, remainder 2);
create table chain.ownership_history_3 partition of chain.ownership_history for values with (modulus 8, remainder 3);
create table chain.ownership_history_4 partition of chain.ownership_history for values with (modulus 8, remainder 4);
create table chain.ownership_history_5 partition of chain.ownership_history for values with (modulus 8, remainder 5);
create table chain.ownership_history_6 partition of chain.ownership_history for values with (modulus 8, remainder 6);
create table chain.ownership_history_7 partition of chain.ownership_history for values with (modulus 8, remainder 7);

-- One index for each documented question that the primary keys do not answer.
create index asset_events_asset on chain.asset_events (asset_id, block_number desc, log_index desc) where asset_id is not null;
create index asset_events_address on chain.asset_events (address, block_number desc, log_index desc);
create index asset_events_transaction on chain.asset_events (transaction_hash);
create index asset_transactions_asset on chain.asset_transactions (asset_id, block_number desc, log_index desc);
create index asset_transactions_hash on chain.asset_transactions (transaction_hash);
create index asset_operations_asset on chain.asset_operations (asset_id, operation_type, block_number desc);
create index ownership_history_block on chain.ownership_history (chain_id, block_number);
create index asset_holders_balance on chain.asset_holders (asset_id, balance desc) where balance <> 0;
create index asset_holders_holder on chain.asset_holders (holder);
create unique index assets_contract on chain.assets (chain_id, contract_address);
create unique index identities_onchain_id on chain.identities (chain_id, onchain_id);
create index registrations_identity on chain.registrations (chain_id, storage, identity) where to_block is null;
create index identity_claims_type on chain.identity_claims (chain_id, claim_type) where to_block is null;
create index identity_claims_issuer on chain.identity_claims (chain_id, issuer, signature_hash);
create index identity_claims_expiry on chain.identity_claims (expires_at) where expires_at is not null and to_block is null;
create index contract_links_target on chain.contract_links (chain_id, target) where to_block is null;
create index asset_permissions_account on chain.asset_permissions (account) where to_block is null;
create index identity_links_identity on chain.identity_links (chain_id, identity) where to_block is null;

-- What happened is never changed: it is put in, and taken out again by a reorg, a rewind or a repair.
grant select, insert, delete on
    chain.asset_events, chain.observations, chain.transaction_inputs, chain.ownership_history,
    chain.asset_transactions, chain.asset_operations
to asset_indexer_writer;
grant select, insert, update, delete on
    chain.configured_contracts, chain.contracts, chain.contract_links, chain.assets, chain.asset_holders,
    chain.asset_permissions, chain.registrations, chain.verification_providers, chain.required_topics,
    chain.identities, chain.identity_links, chain.identity_keys, chain.identity_claims, chain.claim_revocations
to asset_indexer_writer;
grant select, insert, update, delete on ops.coverage to asset_indexer_writer;
