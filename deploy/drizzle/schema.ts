// The tables and views of asset-indexer for Drizzle. Written from the catalogue by a test (tests/it/drizzle.rs), which holds
// it to the migrations. For reading and joining: do not list it in drizzle.config, the migrations are asset-indexer's.
import { sql } from "drizzle-orm";
import { bigint, boolean, customType, inet, integer, jsonb, numeric, pgSchema, smallint, text, timestamp, uuid } from "drizzle-orm/pg-core";

const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });
export const api = pgSchema("api");
export const app = pgSchema("app");

export const assetAnalytics = api.view("asset_analytics", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  analyticsType: text("analytics_type"),
  data: jsonb("data"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  aggregationPeriod: text("aggregation_period"),
}).existing();

export const assetCompliance = api.view("asset_compliance", {
  assetId: uuid("asset_id"),
  ruleId: uuid("rule_id"),
  parameters: jsonb("parameters"),
  active: boolean("active"),
  configuredAt: timestamp("configured_at", { withTimezone: true }),
  configuredBy: text("configured_by"),
  moduleId: uuid("module_id"),
  source: text("source"),
  chainId: bigint("chain_id", { mode: "number" }),
}).existing();

export const assetConfiguration = api.view("asset_configuration", {
  assetId: uuid("asset_id"),
  configurationData: jsonb("configuration_data"),
  extensionSettings: jsonb("extension_settings"),
  complianceRules: jsonb("compliance_rules"),
  operationalParams: jsonb("operational_params"),
  chainId: bigint("chain_id", { mode: "number" }),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
}).existing();

export const assetDocuments = api.view("asset_documents", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  name: text("name"),
  uri: text("uri"),
  documentHash: text("document_hash"),
  active: boolean("active"),
  setAt: timestamp("set_at", { withTimezone: true }),
  endedAt: timestamp("ended_at", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  nameBytes: bytea("name_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assetEvents = api.view("asset_events", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  eventType: text("event_type"),
  eventData: jsonb("event_data"),
  unreadable: text("unreadable"),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  blockHash: text("block_hash"),
  blockTimestamp: timestamp("block_timestamp", { withTimezone: true }),
  transactionHash: text("transaction_hash"),
  transactionIndex: bigint("transaction_index", { mode: "number" }),
  address: text("address"),
  role: text("role"),
  topic0: text("topic0"),
  topic1: text("topic1"),
  topic2: text("topic2"),
  topic3: text("topic3"),
  data: text("data"),
  addressBytes: bytea("address_bytes"),
  transactionHashBytes: bytea("transaction_hash_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assetHolders = api.view("asset_holders", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  holderAddress: text("holder_address"),
  balance: numeric("balance"),
  balanceBase: numeric("balance_base"),
  frozen: numeric("frozen"),
  frozenBase: numeric("frozen_base"),
  available: numeric("available"),
  availableBase: numeric("available_base"),
  percentage: numeric("percentage"),
  walletFrozen: boolean("wallet_frozen"),
  verified: boolean("verified"),
  country: bigint("country", { mode: "number" }),
  identity: text("identity"),
  identityId: uuid("identity_id"),
  firstBlock: bigint("first_block", { mode: "number" }),
  updatedBlock: bigint("updated_block", { mode: "number" }),
  updatedAt: timestamp("updated_at", { withTimezone: true }),
  completeFrom: bigint("complete_from", { mode: "number" }),
  holderBytes: bytea("holder_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assetMetadata = api.view("asset_metadata", {
  assetId: uuid("asset_id"),
  description: text("description"),
  documentation: jsonb("documentation"),
  legalInfo: jsonb("legal_info"),
  regulatoryInfo: jsonb("regulatory_info"),
  updatedAt: timestamp("updated_at", { withTimezone: true }),
  chainId: bigint("chain_id", { mode: "number" }),
  documents: jsonb("documents"),
  claims: jsonb("claims"),
  documentCount: bigint("document_count", { mode: "number" }),
  claimCount: bigint("claim_count", { mode: "number" }),
}).existing();

export const assetMetrics = api.view("asset_metrics", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  metricType: text("metric_type"),
  value: numeric("value"),
  calculatedAt: timestamp("calculated_at", { withTimezone: true }),
  period: text("period"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  benchmark: numeric("benchmark"),
}).existing();

export const assetOperations = api.view("asset_operations", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  transactionId: uuid("transaction_id"),
  operationType: text("operation_type"),
  fromAddress: text("from_address"),
  toAddress: text("to_address"),
  amount: numeric("amount"),
  amountBase: numeric("amount_base"),
  parameters: jsonb("parameters"),
  executedAt: timestamp("executed_at", { withTimezone: true }),
  executedBy: text("executed_by"),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  blockHash: text("block_hash"),
  transactionHash: text("transaction_hash"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assetPermissions = api.view("asset_permissions", {
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  permissionType: text("permission_type"),
  grantedAt: timestamp("granted_at", { withTimezone: true }),
  grantedBy: text("granted_by"),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  active: boolean("active"),
  accountAddress: text("account_address"),
  endedAt: timestamp("ended_at", { withTimezone: true }),
  source: text("source"),
  chainId: bigint("chain_id", { mode: "number" }),
  address: text("address"),
  grantedIn: text("granted_in"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  addressBytes: bytea("address_bytes"),
  accountBytes: bytea("account_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assetTransactions = api.view("asset_transactions", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  transactionHash: text("transaction_hash"),
  operationType: text("operation_type"),
  status: text("status"),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  blockHash: text("block_hash"),
  blockTimestamp: timestamp("block_timestamp", { withTimezone: true }),
  transactionIndex: bigint("transaction_index", { mode: "number" }),
  eventCount: bigint("event_count", { mode: "number" }),
  transferCount: bigint("transfer_count", { mode: "number" }),
  amount: numeric("amount"),
  amountBase: numeric("amount_base"),
  transactionHashBytes: bytea("transaction_hash_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const assets = api.view("assets", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  contractAddress: text("contract_address"),
  assetType: text("asset_type"),
  name: text("name"),
  symbol: text("symbol"),
  decimals: bigint("decimals", { mode: "number" }),
  version: text("version"),
  status: text("status"),
  paused: boolean("paused"),
  totalSupply: numeric("total_supply"),
  totalSupplyBase: numeric("total_supply_base"),
  holderCount: bigint("holder_count", { mode: "number" }),
  identityRegistry: text("identity_registry"),
  compliance: text("compliance"),
  onchainId: text("onchain_id"),
  completeFrom: bigint("complete_from", { mode: "number" }),
  catchingUp: boolean("catching_up"),
  negativeBalance: boolean("negative_balance"),
  exceedsUint256: boolean("exceeds_uint256"),
  unreadableLogs: bigint("unreadable_logs", { mode: "number" }),
  createdBlock: bigint("created_block", { mode: "number" }),
  createdAt: timestamp("created_at", { withTimezone: true }),
  contractAddressBytes: bytea("contract_address_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
  suspect: boolean("suspect"),
}).existing();

export const auditTrail = api.view("audit_trail", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: bigint("id", { mode: "number" }),
  entityType: text("entity_type"),
  entityId: text("entity_id"),
  action: text("action"),
  oldState: jsonb("old_state"),
  newState: jsonb("new_state"),
  blockNumber: bigint("block_number", { mode: "number" }),
  replacedBy: text("replaced_by"),
  actor: text("actor"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
}).existing();

export const chainAssetCompliance = api.view("chain_asset_compliance", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  ruleId: uuid("rule_id"),
  moduleId: uuid("module_id"),
  parameters: jsonb("parameters"),
  active: boolean("active"),
  configuredAt: timestamp("configured_at", { withTimezone: true }),
  configuredBy: text("configured_by"),
  source: text("source"),
}).existing();

export const chainAssetMetrics = api.view("chain_asset_metrics", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  metricType: text("metric_type"),
  value: numeric("value"),
  calculatedAt: timestamp("calculated_at", { withTimezone: true }),
  period: text("period"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
}).existing();

export const chainAssetPermissions = api.view("chain_asset_permissions", {
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  address: text("address"),
  permissionType: text("permission_type"),
  accountAddress: text("account_address"),
  active: boolean("active"),
  grantedAt: timestamp("granted_at", { withTimezone: true }),
  grantedIn: text("granted_in"),
  endedAt: timestamp("ended_at", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  addressBytes: bytea("address_bytes"),
  accountBytes: bytea("account_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const chainComplianceRules = api.view("chain_compliance_rules", {
  id: uuid("id"),
  ruleType: text("rule_type"),
  jurisdiction: text("jurisdiction"),
  parameters: jsonb("parameters"),
  active: boolean("active"),
  createdAt: timestamp("created_at", { withTimezone: true }),
  updatedAt: timestamp("updated_at", { withTimezone: true }),
  version: integer("version"),
  source: text("source"),
  chainId: bigint("chain_id", { mode: "number" }),
}).existing();

export const chainIdentities = api.view("chain_identities", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  onchainId: text("onchain_id"),
  wallets: text("wallets").array(),
  verificationStatus: text("verification_status"),
  issuers: text("issuers").array(),
  isTrustedIssuer: boolean("is_trusted_issuer"),
  claimsHash: text("claims_hash"),
  firstBlock: bigint("first_block", { mode: "number" }),
  firstAt: timestamp("first_at", { withTimezone: true }),
  catchingUp: boolean("catching_up"),
  onchainIdBytes: bytea("onchain_id_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const chainIdentityClaims = api.view("chain_identity_claims", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  identityId: uuid("identity_id"),
  identity: text("identity"),
  claimId: text("claim_id"),
  claimType: text("claim_type"),
  status: text("status"),
  signedByIssuer: boolean("signed_by_issuer"),
  issuer: text("issuer"),
  idMatches: boolean("id_matches"),
  claimData: text("claim_data"),
  uri: text("uri"),
  scheme: text("scheme"),
  signature: text("signature"),
  signatureHash: text("signature_hash"),
  issuedAt: timestamp("issued_at", { withTimezone: true }),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  revokedAt: timestamp("revoked_at", { withTimezone: true }),
  revokedBlock: bigint("revoked_block", { mode: "number" }),
  revokedIn: text("revoked_in"),
  endedAt: timestamp("ended_at", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  transactionHash: text("transaction_hash"),
  identityBytes: bytea("identity_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const chainTransactionLogs = api.view("chain_transaction_logs", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  transactionType: text("transaction_type"),
  amount: numeric("amount"),
  amountBase: numeric("amount_base"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  blockchainHash: text("blockchain_hash"),
  fromAddress: text("from_address"),
  toAddress: text("to_address"),
  fromBytes: bytea("from_bytes"),
  toBytes: bytea("to_bytes"),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const chainVerificationProviders = api.view("chain_verification_providers", {
  chainId: bigint("chain_id", { mode: "number" }),
  registry: text("registry"),
  issuer: text("issuer"),
  topics: text("topics").array(),
  status: text("status"),
  since: timestamp("since", { withTimezone: true }),
  until: timestamp("until", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  registryBytes: bytea("registry_bytes"),
  issuerBytes: bytea("issuer_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const checkpoints = api.view("checkpoints", {
  chainId: bigint("chain_id", { mode: "number" }),
  blockNumber: bigint("block_number", { mode: "number" }),
  blockHash: text("block_hash"),
  blockTimestamp: timestamp("block_timestamp", { withTimezone: true }),
  finalizedNumber: bigint("finalized_number", { mode: "number" }),
  finalizedHash: text("finalized_hash"),
  genesisHash: text("genesis_hash"),
  status: text("status"),
  haltReason: text("halt_reason"),
  verifiedNumber: bigint("verified_number", { mode: "number" }),
  verifiedHash: text("verified_hash"),
}).existing();

export const claimRevocations = api.view("claim_revocations", {
  chainId: bigint("chain_id", { mode: "number" }),
  issuer: text("issuer"),
  signatureHash: text("signature_hash"),
  revokedBlock: bigint("revoked_block", { mode: "number" }),
  revokedLog: bigint("revoked_log", { mode: "number" }),
  revokedAt: timestamp("revoked_at", { withTimezone: true }),
  transactionHash: text("transaction_hash"),
  issuerBytes: bytea("issuer_bytes"),
  signatureHashBytes: bytea("signature_hash_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const complianceModules = api.view("compliance_modules", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  moduleName: text("module_name"),
  version: text("version"),
  contractAddress: text("contract_address"),
  capabilities: jsonb("capabilities"),
  status: text("status"),
  firstAt: timestamp("first_at", { withTimezone: true }),
  contractAddressBytes: bytea("contract_address_bytes"),
  implementation: text("implementation"),
  firstBlock: bigint("first_block", { mode: "number" }),
}).existing();

export const complianceRules = api.view("compliance_rules", {
  id: uuid("id"),
  ruleType: text("rule_type"),
  jurisdiction: text("jurisdiction"),
  parameters: jsonb("parameters"),
  active: boolean("active"),
  createdAt: timestamp("created_at", { withTimezone: true }),
  updatedAt: timestamp("updated_at", { withTimezone: true }),
  version: integer("version"),
  source: text("source"),
  chainId: bigint("chain_id", { mode: "number" }),
}).existing();

export const complianceViolations = api.view("compliance_violations", {
  id: uuid("id"),
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  violationType: text("violation_type"),
  details: jsonb("details"),
  detectedAt: timestamp("detected_at", { withTimezone: true }),
  resolvedAt: timestamp("resolved_at", { withTimezone: true }),
  resolutionType: text("resolution_type"),
  detectedBy: text("detected_by"),
}).existing();

export const contractLinks = api.view("contract_links", {
  chainId: bigint("chain_id", { mode: "number" }),
  address: text("address"),
  link: text("link"),
  target: text("target"),
  active: boolean("active"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  fromAt: timestamp("from_at", { withTimezone: true }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  toAt: timestamp("to_at", { withTimezone: true }),
  addressBytes: bytea("address_bytes"),
  targetBytes: bytea("target_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const contracts = api.view("contracts", {
  chainId: bigint("chain_id", { mode: "number" }),
  address: text("address"),
  role: text("role"),
  announcedBy: text("announced_by"),
  announcedBlock: bigint("announced_block", { mode: "number" }),
  announcedLog: bigint("announced_log", { mode: "number" }),
  announcedAs: text("announced_as"),
  coveredFrom: bigint("covered_from", { mode: "number" }),
  coveredThrough: bigint("covered_through", { mode: "number" }),
  catchingUp: boolean("catching_up"),
  addressBytes: bytea("address_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const drift = api.view("drift", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: bigint("id", { mode: "number" }),
  assetId: uuid("asset_id"),
  what: text("what"),
  wallet: text("wallet"),
  ours: text("ours"),
  theirs: text("theirs"),
  flags: text("flags"),
  blockNumber: bigint("block_number", { mode: "number" }),
  blockHash: text("block_hash"),
  provider: text("provider"),
  foundAt: timestamp("found_at", { withTimezone: true }),
  resolvedBlock: bigint("resolved_block", { mode: "number" }),
  resolvedAt: timestamp("resolved_at", { withTimezone: true }),
  stands: boolean("stands"),
}).existing();

export const evidence = api.view("evidence", {
  chainId: bigint("chain_id", { mode: "number" }),
  fromBlock: bigint("from_block", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  method: text("method"),
  provider: text("provider"),
  requests: bigint("requests", { mode: "number" }),
  provedAt: timestamp("proved_at", { withTimezone: true }),
  withoutGap: boolean("without_gap"),
}).existing();

export const identities = api.view("identities", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  onchainId: text("onchain_id"),
  wallets: text("wallets").array(),
  verificationStatus: text("verification_status"),
  issuers: text("issuers").array(),
  isTrustedIssuer: boolean("is_trusted_issuer"),
  claimsHash: text("claims_hash"),
  firstBlock: bigint("first_block", { mode: "number" }),
  firstAt: timestamp("first_at", { withTimezone: true }),
  catchingUp: boolean("catching_up"),
  onchainIdBytes: bytea("onchain_id_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
  userId: uuid("user_id"),
  verifiedAt: timestamp("verified_at", { withTimezone: true }),
  issuer: text("issuer"),
}).existing();

export const identityClaims = api.view("identity_claims", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  identityId: uuid("identity_id"),
  identity: text("identity"),
  claimId: text("claim_id"),
  claimType: text("claim_type"),
  status: text("status"),
  signedByIssuer: boolean("signed_by_issuer"),
  issuer: text("issuer"),
  idMatches: boolean("id_matches"),
  claimData: text("claim_data"),
  uri: text("uri"),
  scheme: text("scheme"),
  signature: text("signature"),
  signatureHash: text("signature_hash"),
  issuedAt: timestamp("issued_at", { withTimezone: true }),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  revokedAt: timestamp("revoked_at", { withTimezone: true }),
  revokedBlock: bigint("revoked_block", { mode: "number" }),
  revokedIn: text("revoked_in"),
  endedAt: timestamp("ended_at", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  transactionHash: text("transaction_hash"),
  identityBytes: bytea("identity_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
  providerId: uuid("provider_id"),
}).existing();

export const identityKeys = api.view("identity_keys", {
  chainId: bigint("chain_id", { mode: "number" }),
  identity: text("identity"),
  keyHash: text("key_hash"),
  purpose: text("purpose"),
  keyType: text("key_type"),
  active: boolean("active"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  fromAt: timestamp("from_at", { withTimezone: true }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  toAt: timestamp("to_at", { withTimezone: true }),
  identityBytes: bytea("identity_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const moduleParameters = api.view("module_parameters", {
  chainId: bigint("chain_id", { mode: "number" }),
  module: text("module"),
  moduleName: text("module_name"),
  scope: text("scope"),
  parameter: text("parameter"),
  argument: text("argument"),
  value: numeric("value"),
  account: text("account"),
  active: boolean("active"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  fromAt: timestamp("from_at", { withTimezone: true }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  toAt: timestamp("to_at", { withTimezone: true }),
  moduleBytes: bytea("module_bytes"),
  scopeBytes: bytea("scope_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const ownershipHistory = api.view("ownership_history", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  holderAddress: text("holder_address"),
  balance: numeric("balance"),
  balanceBase: numeric("balance_base"),
  frozen: numeric("frozen"),
  frozenBase: numeric("frozen_base"),
  walletFrozen: boolean("wallet_frozen"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  blockHash: text("block_hash"),
  transactionHash: text("transaction_hash"),
  holderBytes: bytea("holder_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const registrations = api.view("registrations", {
  chainId: bigint("chain_id", { mode: "number" }),
  storage: text("storage"),
  wallet: text("wallet"),
  identity: text("identity"),
  identityId: uuid("identity_id"),
  country: bigint("country", { mode: "number" }),
  undetermined: boolean("undetermined"),
  active: boolean("active"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  fromAt: timestamp("from_at", { withTimezone: true }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  toAt: timestamp("to_at", { withTimezone: true }),
  storageBytes: bytea("storage_bytes"),
  walletBytes: bytea("wallet_bytes"),
  identityBytes: bytea("identity_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const requiredTopics = api.view("required_topics", {
  chainId: bigint("chain_id", { mode: "number" }),
  registry: text("registry"),
  topic: text("topic"),
  active: boolean("active"),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  fromAt: timestamp("from_at", { withTimezone: true }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  toAt: timestamp("to_at", { withTimezone: true }),
  registryBytes: bytea("registry_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const submittedTransactions = api.view("submitted_transactions", {
  transactionHash: text("transaction_hash"),
  chainId: bigint("chain_id", { mode: "number" }),
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  operationType: text("operation_type"),
  submittedAt: timestamp("submitted_at", { withTimezone: true }),
  status: text("status"),
  blockNumber: bigint("block_number", { mode: "number" }),
  blockTimestamp: timestamp("block_timestamp", { withTimezone: true }),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
}).existing();

export const systemErrors = api.view("system_errors", {
  id: uuid("id"),
  errorType: text("error_type"),
  errorMessage: text("error_message"),
  stackTrace: text("stack_trace"),
  context: jsonb("context"),
  occurredAt: timestamp("occurred_at", { withTimezone: true }),
  resolvedAt: timestamp("resolved_at", { withTimezone: true }),
  lastAt: timestamp("last_at", { withTimezone: true }),
  occurrences: bigint("occurrences", { mode: "number" }),
  source: text("source"),
  chainId: bigint("chain_id", { mode: "number" }),
}).existing();

export const systemEvents = api.view("system_events", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: bigint("id", { mode: "number" }),
  eventType: text("event_type"),
  eventData: jsonb("event_data"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  source: text("source"),
  severity: text("severity"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
}).existing();

export const transactionLogs = api.view("transaction_logs", {
  chainId: bigint("chain_id", { mode: "number" }),
  id: uuid("id"),
  assetId: uuid("asset_id"),
  transactionType: text("transaction_type"),
  amount: numeric("amount"),
  amountBase: numeric("amount_base"),
  timestamp: timestamp("timestamp", { withTimezone: true }),
  blockchainHash: text("blockchain_hash"),
  fromAddress: text("from_address"),
  toAddress: text("to_address"),
  fromBytes: bytea("from_bytes"),
  toBytes: bytea("to_bytes"),
  blockNumber: bigint("block_number", { mode: "number" }),
  logIndex: bigint("log_index", { mode: "number" }),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
  userId: uuid("user_id"),
  fromUserId: uuid("from_user_id"),
  toUserId: uuid("to_user_id"),
}).existing();

export const verificationProviders = api.view("verification_providers", {
  id: uuid("id"),
  name: text("name"),
  providerType: text("provider_type"),
  apiConfig: jsonb("api_config"),
  status: text("status"),
  trustLevel: smallint("trust_level"),
  chainId: bigint("chain_id", { mode: "number" }),
  registry: text("registry"),
  issuer: text("issuer"),
  topics: text("topics").array(),
  since: timestamp("since", { withTimezone: true }),
  until: timestamp("until", { withTimezone: true }),
  fromBlock: bigint("from_block", { mode: "number" }),
  fromLog: bigint("from_log", { mode: "number" }),
  toBlock: bigint("to_block", { mode: "number" }),
  toLog: bigint("to_log", { mode: "number" }),
  registryBytes: bytea("registry_bytes"),
  issuerBytes: bytea("issuer_bytes"),
  asOfBlock: bigint("as_of_block", { mode: "number" }),
  finality: text("finality"),
}).existing();

export const accessLogs = app.table("access_logs", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id"),
  resource: text("resource").notNull(),
  action: text("action").notNull(),
  result: text("result").notNull(),
  timestamp: timestamp("timestamp", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  details: jsonb("details").notNull().default(sql`'{}'::jsonb`),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
});

export const accounts = app.table("accounts", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  provider: text("provider").notNull(),
  providerId: text("provider_id").notNull(),
  accessToken: text("access_token"),
  refreshToken: text("refresh_token"),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const assetBenchmarks = app.table("asset_benchmarks", {
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id").notNull(),
  metricType: text("metric_type").notNull(),
  benchmark: numeric("benchmark").notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const assetComplianceInApp = app.table("asset_compliance", {
  assetId: uuid("asset_id").notNull(),
  ruleId: uuid("rule_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  moduleId: uuid("module_id"),
  parameters: jsonb("parameters").notNull().default(sql`'{}'::jsonb`),
  active: boolean("active").notNull().default(sql`true`),
  configuredAt: timestamp("configured_at", { withTimezone: true }).notNull().default(sql`now()`),
  configuredBy: text("configured_by").notNull().default(sql`app.actor()`),
});

export const assetMetadataInApp = app.table("asset_metadata", {
  assetId: uuid("asset_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  description: text("description"),
  documentation: jsonb("documentation").notNull().default(sql`'[]'::jsonb`),
  legalInfo: jsonb("legal_info").notNull().default(sql`'{}'::jsonb`),
  regulatoryInfo: jsonb("regulatory_info").notNull().default(sql`'{}'::jsonb`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const assetPermissionsInApp = app.table("asset_permissions", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id").notNull(),
  userId: uuid("user_id").notNull(),
  permissionType: text("permission_type").notNull(),
  grantedAt: timestamp("granted_at", { withTimezone: true }).notNull().default(sql`now()`),
  grantedBy: uuid("granted_by"),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  revokedAt: timestamp("revoked_at", { withTimezone: true }),
});

export const assetReports = app.table("asset_reports", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id").notNull(),
  reportType: text("report_type").notNull(),
  reportData: jsonb("report_data").notNull(),
  generatedAt: timestamp("generated_at", { withTimezone: true }).notNull().default(sql`now()`),
  generatedBy: text("generated_by").notNull().default(sql`app.actor()`),
  chainId: bigint("chain_id", { mode: "number" }),
  blockNumber: bigint("block_number", { mode: "number" }),
  blockHash: text("block_hash"),
  digest: text("digest"),
});

export const assetSettings = app.table("asset_settings", {
  assetId: uuid("asset_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  operationalParams: jsonb("operational_params").notNull().default(sql`'{}'::jsonb`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const auditKeys = app.table("audit_keys", {
  id: boolean("id").notNull().default(sql`true`),
  key: text("key").notNull(),
});

export const auditSeals = app.table("audit_seals", {
  id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  tableName: text("table_name").notNull(),
  firstRow: bigint("first_row", { mode: "number" }).notNull(),
  lastRow: bigint("last_row", { mode: "number" }).notNull(),
  rowCount: bigint("row_count", { mode: "number" }).notNull(),
  previous: text("previous").notNull(),
  digest: text("digest").notNull(),
  sealedAt: timestamp("sealed_at", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
});

export const auditTrailInApp = app.table("audit_trail", {
  id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  tenantId: uuid("tenant_id"),
  entityType: text("entity_type").notNull(),
  entityId: text("entity_id").notNull(),
  action: text("action").notNull(),
  oldState: jsonb("old_state"),
  newState: jsonb("new_state"),
  timestamp: timestamp("timestamp", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  actor: text("actor").notNull().default(sql`app.actor()`),
  login: text("login").notNull().default(sql`(SESSION_USER)::text`),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
  transactionId: bigint("transaction_id", { mode: "number" }).notNull().default(sql`((pg_current_xact_id())::text)::bigint`),
});

export const complianceLogs = app.table("compliance_logs", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  complianceCheck: text("compliance_check").notNull(),
  result: text("result").notNull(),
  details: jsonb("details").notNull().default(sql`'{}'::jsonb`),
  timestamp: timestamp("timestamp", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
});

export const complianceRuleVersions = app.table("compliance_rule_versions", {
  ruleId: uuid("rule_id").notNull(),
  version: integer("version").notNull(),
  tenantId: uuid("tenant_id").notNull(),
  ruleType: text("rule_type").notNull(),
  jurisdiction: text("jurisdiction"),
  parameters: jsonb("parameters").notNull(),
  active: boolean("active").notNull(),
  validFrom: timestamp("valid_from", { withTimezone: true }).notNull(),
  validTo: timestamp("valid_to", { withTimezone: true }).notNull(),
  changedBy: text("changed_by").notNull().default(sql`app.actor()`),
});

export const complianceRulesInApp = app.table("compliance_rules", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  ruleType: text("rule_type").notNull(),
  jurisdiction: text("jurisdiction"),
  parameters: jsonb("parameters").notNull().default(sql`'{}'::jsonb`),
  active: boolean("active").notNull().default(sql`true`),
  version: integer("version").notNull().default(sql`1`),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const complianceViolationsInApp = app.table("compliance_violations", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  violationType: text("violation_type").notNull(),
  details: jsonb("details").notNull().default(sql`'{}'::jsonb`),
  detectedAt: timestamp("detected_at", { withTimezone: true }).notNull().default(sql`now()`),
  detectedBy: text("detected_by").notNull().default(sql`app.actor()`),
});

export const erasures = app.table("erasures", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull(),
  ticket: text("ticket").notNull(),
  erasedBy: text("erased_by").notNull().default(sql`app.actor()`),
  startedAt: timestamp("started_at", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  finishedAt: timestamp("finished_at", { withTimezone: true }),
  counts: jsonb("counts").notNull().default(sql`'{}'::jsonb`),
  transactionId: bigint("transaction_id", { mode: "number" }).notNull().default(sql`((pg_current_xact_id())::text)::bigint`),
});

export const featureFlags = app.table("feature_flags", {
  feature: text("feature").notNull(),
  enabled: boolean("enabled").notNull().default(sql`false`),
  conditions: jsonb("conditions").notNull().default(sql`'{}'::jsonb`),
  description: text("description"),
  cacheSeconds: integer("cache_seconds").notNull().default(sql`600`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const followedTransactions = app.table("followed_transactions", {
  chainId: bigint("chain_id", { mode: "number" }).notNull(),
  tenantId: uuid("tenant_id").notNull(),
  transactionHash: text("transaction_hash").notNull(),
  since: timestamp("since", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
});

export const integrationConfig = app.table("integration_config", {
  service: text("service").notNull(),
  configData: jsonb("config_data").notNull().default(sql`'{}'::jsonb`),
  secret: text("secret"),
  enabled: boolean("enabled").notNull().default(sql`true`),
  lastSuccessAt: timestamp("last_success_at", { withTimezone: true }),
  lastError: text("last_error"),
  cacheSeconds: integer("cache_seconds").notNull().default(sql`1800`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const keptGuards = app.table("kept_guards", {
  object: text("object").notNull(),
  said: text("said").notNull(),
});

export const keptRights = app.table("kept_rights", {
  grantee: text("grantee").notNull(),
  object: text("object").notNull(),
  privilege: text("privilege").notNull(),
});

export const loginHistory = app.table("login_history", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  loginMethod: text("login_method").notNull(),
  ipAddress: inet("ip_address"),
  userAgent: text("user_agent"),
  timestamp: timestamp("timestamp", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  success: boolean("success").notNull(),
  failureReason: text("failure_reason"),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
});

export const monthlyTables = app.table("monthly_tables", {
  tableName: text("table_name").notNull(),
  timeColumn: text("time_column").notNull(),
});

export const onboardingState = app.table("onboarding_state", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  step: text("step").notNull(),
  completed: boolean("completed").notNull().default(sql`false`),
  data: jsonb("data").notNull().default(sql`'{}'::jsonb`),
  completedAt: timestamp("completed_at", { withTimezone: true }),
  metadata: jsonb("metadata").notNull().default(sql`'{}'::jsonb`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const onboardingSteps = app.table("onboarding_steps", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  name: text("name").notNull(),
  description: text("description"),
  order: integer("order").notNull(),
  required: boolean("required").notNull().default(sql`true`),
  validationRules: jsonb("validation_rules").notNull().default(sql`'{}'::jsonb`),
});

export const permissions = app.table("permissions", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  name: text("name").notNull(),
  description: text("description"),
  resource: text("resource").notNull(),
  action: text("action").notNull(),
  conditions: jsonb("conditions").notNull().default(sql`'{}'::jsonb`),
});

export const processingRecord = app.table("processing_record", {
  schemaName: text("schema_name"),
  tableName: text("table_name"),
  columnName: text("column_name"),
  kind: text("kind"),
  purpose: text("purpose"),
  basis: text("basis"),
  kept: text("kept"),
  onErasure: text("on_erasure"),
});

export const providerProfiles = app.table("provider_profiles", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  chainId: bigint("chain_id", { mode: "number" }),
  issuer: text("issuer"),
  name: text("name").notNull(),
  providerType: text("provider_type").notNull().default(sql`'kyc'::text`),
  apiConfig: jsonb("api_config").notNull().default(sql`'{}'::jsonb`),
  status: text("status").notNull().default(sql`'active'::text`),
  trustLevel: smallint("trust_level").notNull().default(sql`50`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const regulatoryReports = app.table("regulatory_reports", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  reportType: text("report_type").notNull(),
  jurisdiction: text("jurisdiction").notNull(),
  period: text("period").notNull(),
  reportData: jsonb("report_data").notNull(),
  generatedAt: timestamp("generated_at", { withTimezone: true }).notNull().default(sql`now()`),
  submittedAt: timestamp("submitted_at", { withTimezone: true }),
});

export const reportViolations = app.table("report_violations", {
  reportId: uuid("report_id").notNull(),
  violationId: uuid("violation_id").notNull(),
  detectedAt: timestamp("detected_at", { withTimezone: true }).notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
});

export const restrictions = app.table("restrictions", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull(),
  tableName: text("table_name").notNull(),
  restrictedUntil: timestamp("restricted_until", { withTimezone: true }).notNull(),
});

export const rolePermissions = app.table("role_permissions", {
  role: text("role").notNull(),
  permissionId: uuid("permission_id").notNull(),
  grantedAt: timestamp("granted_at", { withTimezone: true }).notNull().default(sql`now()`),
  grantedBy: uuid("granted_by"),
  conditions: jsonb("conditions").notNull().default(sql`'{}'::jsonb`),
});

export const roles = app.table("roles", {
  role: text("role").notNull(),
  description: text("description"),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const sealRemainders = app.table("seal_remainders", {
  id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  sealId: bigint("seal_id", { mode: "number" }).notNull(),
  partition: text("partition").notNull(),
  rowCount: bigint("row_count", { mode: "number" }).notNull(),
  digest: text("digest").notNull(),
  recordedAt: timestamp("recorded_at", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
});

export const sessions = app.table("sessions", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  token: text("token").notNull(),
  expiresAt: timestamp("expires_at", { withTimezone: true }).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  ipAddress: inet("ip_address"),
});

export const subjectKeys = app.table("subject_keys", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  wrappedKey: text("wrapped_key"),
  wrappingKey: text("wrapping_key").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  rotatedAt: timestamp("rotated_at", { withTimezone: true }),
  destroyedAt: timestamp("destroyed_at", { withTimezone: true }),
});

export const subjectTables = app.table("subject_tables", {
  tableName: text("table_name").notNull(),
  foundBy: text("found_by").notNull(),
  onErasure: text("on_erasure").notNull(),
  cleared: text("cleared"),
  timeColumn: text("time_column"),
  keepYears: integer("keep_years"),
  why: text("why").notNull(),
});

export const submittedTransactionsInApp = app.table("submitted_transactions", {
  transactionHash: text("transaction_hash").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  chainId: bigint("chain_id", { mode: "number" }).notNull(),
  assetId: uuid("asset_id"),
  userId: uuid("user_id"),
  operationType: text("operation_type").notNull(),
  sender: text("sender"),
  nonce: bigint("nonce", { mode: "number" }),
  submittedAt: timestamp("submitted_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const systemChanges = app.table("system_changes", {
  id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  tableName: text("table_name").notNull(),
  recordId: text("record_id").notNull(),
  changeType: text("change_type").notNull(),
  oldValues: jsonb("old_values"),
  newValues: jsonb("new_values"),
  changedAt: timestamp("changed_at", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  changedBy: text("changed_by").notNull().default(sql`app.actor()`),
  login: text("login").notNull().default(sql`(SESSION_USER)::text`),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
});

export const systemConfig = app.table("system_config", {
  key: text("key").notNull(),
  value: jsonb("value").notNull(),
  type: text("type").notNull(),
  description: text("description"),
  cacheSeconds: integer("cache_seconds").notNull().default(sql`3600`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const tableGuards = app.table("table_guards", {
  tableName: text("table_name").notNull(),
  kind: text("kind").notNull(),
  appendOnly: boolean("append_only").notNull().default(sql`false`),
  auditedIn: text("audited_in"),
});

export const tenantAssets = app.table("tenant_assets", {
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  assetId: uuid("asset_id").notNull(),
  addedAt: timestamp("added_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const tenantLogins = app.table("tenant_logins", {
  login: text("login").notNull(),
  tenantId: uuid("tenant_id").notNull(),
});

export const tenants = app.table("tenants", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  name: text("name").notNull(),
  status: text("status").notNull().default(sql`'active'::text`),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const transactionFates = app.table("transaction_fates", {
  tenantId: uuid("tenant_id").notNull(),
  chainId: bigint("chain_id", { mode: "number" }).notNull(),
  transactionHash: text("transaction_hash").notNull(),
  fate: text("fate").notNull(),
  blockNumber: bigint("block_number", { mode: "number" }),
  blockHash: text("block_hash"),
  isSettled: boolean("is_settled").notNull(),
  askedAt: timestamp("asked_at", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
});

export const userActions = app.table("user_actions", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id"),
  actionType: text("action_type").notNull(),
  resource: text("resource").notNull(),
  details: jsonb("details").notNull().default(sql`'{}'::jsonb`),
  timestamp: timestamp("timestamp", { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
  ipAddress: inet("ip_address"),
  userAgent: text("user_agent"),
  correlationId: uuid("correlation_id").default(sql`app.correlation()`),
});

export const userPreferences = app.view("user_preferences", {
  userId: uuid("user_id"),
  preferences: jsonb("preferences"),
  cacheSeconds: integer("cache_seconds"),
}).existing();

export const userProfiles = app.table("user_profiles", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  firstName: text("first_name"),
  lastName: text("last_name"),
  phone: text("phone"),
  address: text("address"),
  preferences: jsonb("preferences").notNull().default(sql`'{}'::jsonb`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const userRoles = app.table("user_roles", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  role: text("role").notNull(),
  assignedAt: timestamp("assigned_at", { withTimezone: true }).notNull().default(sql`now()`),
  assignedBy: uuid("assigned_by"),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  status: text("status").notNull().default(sql`'active'::text`),
  endedAt: timestamp("ended_at", { withTimezone: true }),
});

export const userSettings = app.table("user_settings", {
  userId: uuid("user_id").notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  theme: text("theme").notNull().default(sql`'system'::text`),
  language: text("language").notNull().default(sql`'en'::text`),
  notifications: jsonb("notifications").notNull().default(sql`'{}'::jsonb`),
  privacySettings: jsonb("privacy_settings").notNull().default(sql`'{}'::jsonb`),
  preferences: jsonb("preferences").notNull().default(sql`'{}'::jsonb`),
  cacheSeconds: integer("cache_seconds").notNull().default(sql`300`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
});

export const users = app.table("users", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  email: text("email").notNull(),
  emailKey: text("email_key").notNull().default(sql`lower(email)`),
  username: text("username"),
  usernameKey: text("username_key").default(sql`lower(username)`),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull().default(sql`now()`),
  lastActivityAt: timestamp("last_activity_at", { withTimezone: true }),
  status: text("status").notNull().default(sql`'active'::text`),
});

export const usersMasked = app.view("users_masked", {
  id: uuid("id"),
  status: text("status"),
  email: text("email"),
  username: text("username"),
  createdAt: timestamp("created_at", { withTimezone: true }),
  updatedAt: timestamp("updated_at", { withTimezone: true }),
}).existing();

export const verifications = app.table("verifications", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  type: text("type").notNull(),
  token: text("token").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().default(sql`now()`),
  expiresAt: timestamp("expires_at", { withTimezone: true }).notNull(),
  verifiedAt: timestamp("verified_at", { withTimezone: true }),
});

export const violationResolutions = app.table("violation_resolutions", {
  violationId: uuid("violation_id").notNull(),
  detectedAt: timestamp("detected_at", { withTimezone: true }).notNull(),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  resolutionType: text("resolution_type").notNull(),
  resolutionData: jsonb("resolution_data").notNull().default(sql`'{}'::jsonb`),
  resolvedBy: text("resolved_by").notNull().default(sql`app.actor()`),
  resolvedAt: timestamp("resolved_at", { withTimezone: true }).notNull().default(sql`now()`),
  notes: text("notes"),
});

export const walletLinks = app.table("wallet_links", {
  id: uuid("id").notNull().default(sql`gen_random_uuid()`),
  tenantId: uuid("tenant_id").notNull().default(sql`app.current_tenant()`),
  userId: uuid("user_id").notNull(),
  chainId: bigint("chain_id", { mode: "number" }).notNull(),
  wallet: text("wallet").notNull(),
  linkedAt: timestamp("linked_at", { withTimezone: true }).notNull().default(sql`now()`),
  unlinkedAt: timestamp("unlinked_at", { withTimezone: true }),
});
