//! The functions of the contracts that the scenario calls, by their signatures.
//!
//! Written from the published signatures: only what is called here, no events (those are the indexer's business).

use alloy::sol;

sol! {
    #[derive(Debug)]
    interface IOwnable {
        function owner() external view returns (address);
        function transferOwnership(address newOwner) external;
    }

    #[derive(Debug)]
    interface IAgentRole {
        function addAgent(address agent) external;
        function removeAgent(address agent) external;
        function isAgent(address agent) external view returns (bool);
    }

    #[derive(Debug)]
    interface IErc20 {
        function name() external view returns (string);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address holder) external view returns (uint256);
        function allowance(address holder, address spender) external view returns (uint256);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
        function approve(address spender, uint256 amount) external returns (bool);
    }

    #[derive(Debug)]
    interface IToken {
        function identityRegistry() external view returns (address);
        function compliance() external view returns (address);
        function onchainID() external view returns (address);
        function version() external view returns (string);
        function paused() external view returns (bool);
        function isFrozen(address wallet) external view returns (bool);
        function getFrozenTokens(address wallet) external view returns (uint256);
        function setName(string name) external;
        function setSymbol(string symbol) external;
        function setOnchainID(address identity) external;
        function setIdentityRegistry(address registry) external;
        function setCompliance(address compliance) external;
        function pause() external;
        function unpause() external;
        function mint(address to, uint256 amount) external;
        function burn(address wallet, uint256 amount) external;
        function forcedTransfer(address from, address to, uint256 amount) external returns (bool);
        function setAddressFrozen(address wallet, bool freeze) external;
        function freezePartialTokens(address wallet, uint256 amount) external;
        function unfreezePartialTokens(address wallet, uint256 amount) external;
        function recoveryAddress(address lost, address replacement, address identity) external returns (bool);
        function batchTransfer(address[] to, uint256[] amounts) external;
        function batchForcedTransfer(address[] from, address[] to, uint256[] amounts) external;
        function batchMint(address[] to, uint256[] amounts) external;
        function batchBurn(address[] wallets, uint256[] amounts) external;
        function batchSetAddressFrozen(address[] wallets, bool[] freeze) external;
        function batchFreezePartialTokens(address[] wallets, uint256[] amounts) external;
        function batchUnfreezePartialTokens(address[] wallets, uint256[] amounts) external;
    }

    #[derive(Debug)]
    interface IIdentityRegistry {
        function identityStorage() external view returns (address);
        function issuersRegistry() external view returns (address);
        function topicsRegistry() external view returns (address);
        function identity(address wallet) external view returns (address);
        function investorCountry(address wallet) external view returns (uint16);
        function isVerified(address wallet) external view returns (bool);
        function contains(address wallet) external view returns (bool);
        function registerIdentity(address wallet, address identity, uint16 country) external;
        function batchRegisterIdentity(address[] wallets, address[] identities, uint16[] countries) external;
        function updateIdentity(address wallet, address identity) external;
        function updateCountry(address wallet, uint16 country) external;
        function deleteIdentity(address wallet) external;
        function setIdentityRegistryStorage(address storage_) external;
        function setClaimTopicsRegistry(address registry) external;
        function setTrustedIssuersRegistry(address registry) external;
    }

    #[derive(Debug)]
    interface IIdentityRegistryStorage {
        function storedIdentity(address wallet) external view returns (address);
        function storedInvestorCountry(address wallet) external view returns (uint16);
        function linkedIdentityRegistries() external view returns (address[]);
        function bindIdentityRegistry(address registry) external;
        function unbindIdentityRegistry(address registry) external;
    }

    #[derive(Debug)]
    interface ITrustedIssuersRegistry {
        function getTrustedIssuers() external view returns (address[]);
        function getTrustedIssuerClaimTopics(address issuer) external view returns (uint256[]);
        function addTrustedIssuer(address issuer, uint256[] topics) external;
        function removeTrustedIssuer(address issuer) external;
        function updateIssuerClaimTopics(address issuer, uint256[] topics) external;
    }

    #[derive(Debug)]
    interface IClaimTopicsRegistry {
        function getClaimTopics() external view returns (uint256[]);
        function addClaimTopic(uint256 topic) external;
        function removeClaimTopic(uint256 topic) external;
    }

    #[derive(Debug)]
    interface IModularCompliance {
        function getModules() external view returns (address[]);
        function getTokenBound() external view returns (address);
        function addModule(address module) external;
        function removeModule(address module) external;
        function callModuleFunction(bytes callData, address module) external;
    }

    #[derive(Debug)]
    interface IModule {
        function initialize() external;
        function addAllowedCountry(uint16 country) external;
        function removeAllowedCountry(uint16 country) external;
        function batchAllowCountries(uint16[] countries) external;
        function batchDisallowCountries(uint16[] countries) external;
        function batchRestrictCountries(uint16[] countries) external;
        function batchUnrestrictCountries(uint16[] countries) external;
        function setMaxBalance(uint256 max) external;
        function setSupplyLimit(uint256 limit) external;
    }

    #[derive(Debug)]
    interface IIdentity {
        function addKey(bytes32 key, uint256 purpose, uint256 keyType) external returns (bool);
        function removeKey(bytes32 key, uint256 purpose) external returns (bool);
        function getKeysByPurpose(uint256 purpose) external view returns (bytes32[]);
        function addClaim(uint256 topic, uint256 scheme, address issuer, bytes signature, bytes data, string uri)
            external returns (bytes32);
        function removeClaim(bytes32 id) external returns (bool);
        function getClaim(bytes32 id) external view
            returns (uint256 topic, uint256 scheme, address issuer, bytes signature, bytes data, string uri);
        function getClaimIdsByTopic(uint256 topic) external view returns (bytes32[]);
        function isClaimValid(address identity, uint256 topic, bytes signature, bytes data)
            external view returns (bool);
        function revokeClaimBySignature(bytes signature) external;
        function revokeClaim(bytes32 id, address identity) external returns (bool);
        function isClaimRevoked(bytes signature) external view returns (bool);
    }

    #[derive(Debug)]
    interface IIdFactory {
        function addTokenFactory(address factory) external;
        function createIdentity(address wallet, string salt) external returns (address);
        function createIdentityWithManagementKeys(address wallet, string salt, bytes32[] keys)
            external returns (address);
        function linkWallet(address wallet) external;
        function unlinkWallet(address wallet) external;
        function getIdentity(address wallet) external view returns (address);
    }

    #[derive(Debug)]
    struct Version {
        uint8 major;
        uint8 minor;
        uint8 patch;
    }

    #[derive(Debug)]
    struct TrexContracts {
        address token;
        address claimTopicsRegistry;
        address identityRegistry;
        address identityRegistryStorage;
        address trustedIssuersRegistry;
        address modularCompliance;
    }

    #[derive(Debug)]
    interface ITrexAuthority {
        function addAndUseTREXVersion(Version version, TrexContracts contracts) external;
        function setTREXFactory(address factory) external;
        function setIAFactory(address factory) external;
    }

    #[derive(Debug)]
    struct TokenDetails {
        address owner;
        string name;
        string symbol;
        uint8 decimals;
        address irs;
        address onchainId;
        address[] irAgents;
        address[] tokenAgents;
        address[] complianceModules;
        bytes[] complianceSettings;
    }

    #[derive(Debug)]
    struct ClaimDetails {
        uint256[] claimTopics;
        address[] issuers;
        uint256[][] issuerClaims;
    }

    #[derive(Debug)]
    interface ITrexFactory {
        function deployTREXSuite(string salt, TokenDetails token, ClaimDetails claims) external;
        function getToken(string salt) external view returns (address);
        function recoverContractOwnership(address deployed, address newOwner) external;
    }
}
