//! Every event of the contracts we follow, by role, in Solidity's own words.
//!
//! Compared with the compiled contracts (T-REX 4.1.6, ONCHAINID 2.2.1), names and indexing included; the legacy
//! variants (T-REX 3) are from their documents. Documents and metadata are from ERC-1643 and ERC-4906 themselves; any
//! token may log them.

const ERC20: &[&str] = &[
    "Approval(address indexed owner, address indexed spender, uint256 value)",
    "Transfer(address indexed from, address indexed to, uint256 value)",
];
const CLAIM_TOPICS_REGISTRY: &[&str] = &[
    "ClaimTopicAdded(uint256 indexed claimTopic)",
    "ClaimTopicRemoved(uint256 indexed claimTopic)",
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
];
const COMPLIANCE: &[&str] = &[
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "ModuleAdded(address indexed _module)",
    "ModuleInteraction(address indexed target, bytes4 selector)",
    "ModuleRemoved(address indexed _module)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TokenBound(address _token)",
    "TokenUnbound(address _token)",
];
const DOCUMENTS: &[&str] = &[
    "DocumentRemoved(bytes32 indexed _name, string _uri, bytes32 _documentHash)",
    "DocumentUpdated(bytes32 indexed _name, string _uri, bytes32 _documentHash)",
];
const DVA_MANAGER: &[&str] = &[
    "ApprovalCriteriaSet(address tokenAddress, bool includeRecipientApprover, bool includeAgentApprover, bool sequentialApproval, address[] additionalApprovers, bytes32 hash)",
    "TransferApprovalStateReset(bytes32 transferID, bytes32 approvalCriteriaHash)",
    "TransferApproved(bytes32 transferID, address approver)",
    "TransferCancelled(bytes32 transferID)",
    "TransferCompleted(bytes32 transferID, address tokenAddress, address sender, address recipient, uint256 amount)",
    "TransferInitiated(bytes32 transferID, address tokenAddress, address sender, address recipient, uint256 amount, bytes32 approvalCriteriaHash)",
    "TransferRejected(bytes32 transferID, address rejectedBy)",
];
const DVD_MANAGER: &[&str] = &[
    "DVDTransferCancelled(bytes32 indexed transferID)",
    "DVDTransferExecuted(bytes32 indexed transferID)",
    "DVDTransferInitiated(bytes32 indexed transferID, address maker, address indexed token1, uint256 token1Amount, address taker, address indexed token2, uint256 token2Amount)",
    "FeeModified(bytes32 indexed parity, address token1, address token2, uint256 fee1, uint256 fee2, uint256 feeBase, address fee1Wallet, address fee2Wallet)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
];
const FACTORY: &[&str] = &[
    "Deployed(address indexed _addr)",
    "IdFactorySet(address _idFactory)",
    "ImplementationAuthoritySet(address _implementationAuthority)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TREXSuiteDeployed(address indexed _token, address _ir, address _irs, address _tir, address _ctr, address _mc, string indexed _salt)",
];
const GATEWAY: &[&str] = &[
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "DeployerAdded(address indexed deployer)",
    "DeployerRemoved(address indexed deployer)",
    "DeploymentFeeEnabled(bool indexed isEnabled)",
    "DeploymentFeeSet(uint256 indexed fee, address indexed feeToken, address indexed feeCollector)",
    "FactorySet(address indexed factory)",
    "FeeDiscountApplied(address indexed deployer, uint16 discount)",
    "GatewaySuiteDeploymentProcessed(address indexed requester, address intendedOwner, uint256 feeApplied)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "PublicDeploymentStatusSet(bool indexed publicDeploymentStatus)",
];
const IDENTITY_REGISTRY: &[&str] = &[
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "ClaimTopicsRegistrySet(address indexed claimTopicsRegistry)",
    "CountryUpdated(address indexed investorAddress, uint16 indexed country)",
    "IdentityRegistered(address indexed investorAddress, address indexed identity)",
    "IdentityRemoved(address indexed investorAddress, address indexed identity)",
    "IdentityStorageSet(address indexed identityStorage)",
    "IdentityUpdated(address indexed oldIdentity, address indexed newIdentity)",
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TrustedIssuersRegistrySet(address indexed trustedIssuersRegistry)",
];
const IDENTITY_REGISTRY_STORAGE: &[&str] = &[
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "CountryModified(address indexed investorAddress, uint16 indexed country)",
    "IdentityModified(address indexed oldIdentity, address indexed newIdentity)",
    "IdentityRegistryBound(address indexed identityRegistry)",
    "IdentityRegistryUnbound(address indexed identityRegistry)",
    "IdentityStored(address indexed investorAddress, address indexed identity)",
    "IdentityUnstored(address indexed investorAddress, address indexed identity)",
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
];
const IMPLEMENTATION_AUTHORITY: &[&str] = &[
    "IAFactorySet(address indexed iaFactory)",
    "ImplementationAuthorityChanged(address indexed _token, address indexed _newImplementationAuthority)",
    "ImplementationAuthorityDeployed(address indexed _ia)",
    "ImplementationAuthoritySet(bool referenceStatus, address trexFactory)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TREXFactorySet(address indexed trexFactory)",
    "TREXVersionAdded((uint8,uint8,uint8) indexed version, (address,address,address,address,address,address) indexed trex)",
    "TREXVersionFetched((uint8,uint8,uint8) indexed version, (address,address,address,address,address,address) indexed trex)",
    "VersionUpdated((uint8,uint8,uint8) indexed version)",
];
const LEGACY_COMPLIANCE: &[&str] = &[
    "AddedRestrictedCountry(uint16 _country)",
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "ApprovalRemoved(address _from, address _to, uint256 _amount, address _token)",
    "DailyLimitUpdated(uint256 _newDailyLimit)",
    "ExchangeIDAdded(address _newExchangeID)",
    "ExchangeIDRemoved(address _exchangeID)",
    "ExchangeMonthlyLimitUpdated(address _exchangeID, uint256 _newExchangeMonthlyLimit)",
    "HolderLimitSet(uint256 _holderLimit)",
    "MaxBalanceSet(uint256 _maxBalance)",
    "MonthlyLimitUpdated(uint256 _newMonthlyLimit)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "RemovedRestrictedCountry(uint16 _country)",
    "SupplyLimitSet(uint256 _limit)",
    "TokenAgentAdded(address _agentAddress)",
    "TokenAgentRemoved(address _agentAddress)",
    "TokenBound(address _token)",
    "TokenUnbound(address _token)",
    "TransferApproved(address _from, address _to, uint256 _amount, address _token)",
    "UnWhitelistedCountry(uint16 _country)",
    "WhitelistedCountry(uint16 _country)",
];
const LEGACY_TOKEN: &[&str] = &[
    "AddressFrozen(address indexed _userAddress, bool indexed _isFrozen, address indexed _owner)",
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "Approval(address indexed owner, address indexed spender, uint256 value)",
    "ComplianceAdded(address indexed _compliance)",
    "IdentityRegistryAdded(address indexed _identityRegistry)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "Paused(address _userAddress)",
    "RecoverySuccess(address _lostWallet, address _newWallet, address _investorOnchainID)",
    "TokensFrozen(address indexed _userAddress, uint256 _amount)",
    "TokensUnfrozen(address indexed _userAddress, uint256 _amount)",
    "Transfer(address indexed from, address indexed to, uint256 value)",
    "Unpaused(address _userAddress)",
    "UpdatedTokenInformation(string _newName, string _newSymbol, uint8 _newDecimals, string _newVersion, address _newOnchainID)",
    "Upgraded(address indexed implementation)",
];
const METADATA: &[&str] =
    &["BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId)", "MetadataUpdate(uint256 _tokenId)"];
const MODULES: &[&str] = &[
    "AddedRestrictedCountry(address indexed _compliance, uint16 _country)",
    "AdminChanged(address previousAdmin, address newAdmin)",
    "ApprovalRemoved(address _from, address _to, uint256 _amount, address _token)",
    "BeaconUpgraded(address indexed beacon)",
    "ComplianceBound(address indexed _compliance)",
    "ComplianceUnbound(address indexed _compliance)",
    "CountryAllowed(address _compliance, uint16 _country)",
    "CountryUnallowed(address _compliance, uint16 _country)",
    "ExchangeIDAdded(address _newExchangeID)",
    "ExchangeIDRemoved(address _exchangeID)",
    "ExchangeLimitUpdated(address indexed compliance, address _exchangeID, uint256 _limitValue, uint32 _limitTime)",
    "ExchangeMonthlyLimitUpdated(address indexed compliance, address _exchangeID, uint256 _newExchangeMonthlyLimit)",
    "FeeUpdated(address indexed compliance, uint256 _rate, address _collector)",
    "IDBalancePreSet(address indexed _compliance, address indexed _id, uint256 _balance)",
    "Initialized(uint8 version)",
    "MaxBalanceSet(address indexed _compliance, uint256 indexed _maxBalance)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "PresetCompleted(address indexed _compliance)",
    "RemovedRestrictedCountry(address indexed _compliance, uint16 _country)",
    "SupplyLimitSet(address _compliance, uint256 _limit)",
    "TimeTransferLimitRemoved(address indexed compliance, uint32 limitTime)",
    "TimeTransferLimitUpdated(address indexed compliance, uint32 limitTime, uint256 limitValue)",
    "TokenListed(address _tokenAddress, address _investorAddress)",
    "TokenListingConfigured(address _tokenAddress, uint8 _listingType)",
    "TokenUnlisted(address _tokenAddress, address _investorAddress)",
    "TransferApproved(address _from, address _to, uint256 _amount, address _token)",
    "Upgraded(address indexed implementation)",
    "UserAllowed(address _compliance, address _userAddress)",
    "UserDisallowed(address _compliance, address _userAddress)",
];
const ROLE_MANAGER: &[&str] = &[
    "ComplianceInteraction(address indexed target, bytes4 selector)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "RoleAdded(address indexed _agent, string _role)",
    "RoleRemoved(address indexed _agent, string _role)",
];
const TOKEN: &[&str] = &[
    "AddressFrozen(address indexed _userAddress, bool indexed _isFrozen, address indexed _owner)",
    "AgentAdded(address indexed _agent)",
    "AgentRemoved(address indexed _agent)",
    "Approval(address indexed owner, address indexed spender, uint256 value)",
    "ComplianceAdded(address indexed _compliance)",
    "IdentityRegistryAdded(address indexed _identityRegistry)",
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "Paused(address _userAddress)",
    "RecoverySuccess(address indexed _lostWallet, address indexed _newWallet, address indexed _investorOnchainID)",
    "TokensFrozen(address indexed _userAddress, uint256 _amount)",
    "TokensUnfrozen(address indexed _userAddress, uint256 _amount)",
    "Transfer(address indexed from, address indexed to, uint256 value)",
    "Unpaused(address _userAddress)",
    "UpdatedTokenInformation(string indexed _newName, string indexed _newSymbol, uint8 _newDecimals, string _newVersion, address indexed _newOnchainID)",
    "Upgraded(address indexed implementation)",
];
const TRUSTED_ISSUERS_REGISTRY: &[&str] = &[
    "ClaimTopicsUpdated(address indexed trustedIssuer, uint256[] claimTopics)",
    "ImplementationAuthoritySet(address indexed _implementationAuthority)",
    "Initialized(uint8 version)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TrustedIssuerAdded(address indexed trustedIssuer, uint256[] claimTopics)",
    "TrustedIssuerRemoved(address indexed trustedIssuer)",
];
const ONCHAINID_FACTORY: &[&str] = &[
    "Deployed(address indexed _addr)",
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "TokenFactoryAdded(address indexed factory)",
    "TokenFactoryRemoved(address indexed factory)",
    "TokenLinked(address indexed token, address indexed identity)",
    "WalletLinked(address indexed wallet, address indexed identity)",
    "WalletUnlinked(address indexed wallet, address indexed identity)",
];
const ONCHAINID_GATEWAY: &[&str] = &[
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "SignatureApproved(bytes indexed signature)",
    "SignatureRevoked(bytes indexed signature)",
    "SignerApproved(address indexed signer)",
    "SignerRevoked(address indexed signer)",
];
const ONCHAINID_IDENTITY: &[&str] = &[
    "Approved(uint256 indexed executionId, bool approved)",
    "ClaimAdded(bytes32 indexed claimId, uint256 indexed topic, uint256 scheme, address indexed issuer, bytes signature, bytes data, string uri)",
    "ClaimChanged(bytes32 indexed claimId, uint256 indexed topic, uint256 scheme, address indexed issuer, bytes signature, bytes data, string uri)",
    "ClaimRemoved(bytes32 indexed claimId, uint256 indexed topic, uint256 scheme, address indexed issuer, bytes signature, bytes data, string uri)",
    "ClaimRevoked(bytes indexed signature)",
    "Executed(uint256 indexed executionId, address indexed to, uint256 indexed value, bytes data)",
    "ExecutionFailed(uint256 indexed executionId, address indexed to, uint256 indexed value, bytes data)",
    "ExecutionRequested(uint256 indexed executionId, address indexed to, uint256 indexed value, bytes data)",
    "KeyAdded(bytes32 indexed key, uint256 indexed purpose, uint256 indexed keyType)",
    "KeyRemoved(bytes32 indexed key, uint256 indexed purpose, uint256 indexed keyType)",
];
const ONCHAINID_IMPLEMENTATION_AUTHORITY: &[&str] = &[
    "OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "UpdatedImplementation(address newAddress)",
];

/// Every role, as the configuration spells it.
pub(crate) const ROLES: &[&str] = &[
    "erc20",
    "trex_token",
    "identity_registry",
    "identity_registry_storage",
    "trusted_issuers_registry",
    "claim_topics_registry",
    "compliance",
    "compliance_module",
    "trex_factory",
    "trex_gateway",
    "trex_implementation_authority",
    "dvd_manager",
    "dva_manager",
    "role_manager",
    "id_factory",
    "id_gateway",
    "id_implementation_authority",
    "identity",
];

/// Which events a contract of a role may log.
pub(crate) fn of_role(role: &str) -> &'static [&'static [&'static str]] {
    match role {
        "erc20" => &[ERC20, DOCUMENTS, METADATA],
        "trex_token" => &[TOKEN, LEGACY_TOKEN, DOCUMENTS, METADATA],
        "identity_registry" => &[IDENTITY_REGISTRY],
        "identity_registry_storage" => &[IDENTITY_REGISTRY_STORAGE],
        "trusted_issuers_registry" => &[TRUSTED_ISSUERS_REGISTRY],
        "claim_topics_registry" => &[CLAIM_TOPICS_REGISTRY],
        "compliance" => &[COMPLIANCE, LEGACY_COMPLIANCE],
        "compliance_module" => &[MODULES],
        "trex_factory" => &[FACTORY],
        "trex_gateway" => &[GATEWAY],
        "trex_implementation_authority" => &[IMPLEMENTATION_AUTHORITY],
        "dvd_manager" => &[DVD_MANAGER],
        "dva_manager" => &[DVA_MANAGER],
        "role_manager" => &[ROLE_MANAGER],
        "id_factory" => &[ONCHAINID_FACTORY],
        "id_gateway" => &[ONCHAINID_GATEWAY],
        "id_implementation_authority" => &[ONCHAINID_IMPLEMENTATION_AUTHORITY],
        "identity" => &[ONCHAINID_IDENTITY],
        other => panic!("no role of ours: {other}"),
    }
}
