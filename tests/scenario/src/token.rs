//! A T-REX token and what is done with it. Every action is a [`Call`]: to send, to put in a block with others, or to
//! include in a reorg.

mod registry;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;

use crate::abi::{IAgentRole, IErc20, IOwnable, IToken};
use crate::node::Call;

/// A token with its registries, as they were when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token's contract.
    pub address: Address,
    /// Tells which wallets are whose.
    pub identity_registry: Address,
    /// Keeps what the identity registry tells; possibly shared with other tokens.
    pub storage: Address,
    /// Tells whose claims count.
    pub trusted_issuers_registry: Address,
    /// Tells which claims are needed.
    pub claim_topics_registry: Address,
    /// Asks the compliance modules.
    pub compliance: Address,
    /// The token's own identity.
    pub onchain_id: Address,
    /// Its name.
    pub name: String,
    /// Its symbol.
    pub symbol: String,
    /// Its decimals.
    pub decimals: u8,
    /// Sends the owner's calls.
    pub owner: Address,
    /// Sends the agent's calls. Another agent: `Token { agent, ..token.clone() }`.
    pub agent: Address,
    /// The block of its deployment.
    pub deployed_in: u64,
}

impl Token {
    /// An amount of whole tokens in the token's smallest units.
    pub fn units(&self, whole: u64) -> U256 {
        U256::from(whole) * U256::from(10).pow(U256::from(self.decimals))
    }

    fn by_agent<C: SolCall>(&self, call: &C) -> Call {
        Call::new(self.agent, self.address, call)
    }

    fn by_owner<C: SolCall>(&self, call: &C) -> Call {
        Call::new(self.owner, self.address, call)
    }
}

/// What holders do.
impl Token {
    /// A transfer by its holder.
    pub fn transfer(&self, from: Address, to: Address, amount: U256) -> Call {
        Call::new(from, self.address, &IErc20::transferCall { to, amount })
    }

    /// Several transfers of one holder in one transaction.
    pub fn batch_transfer(&self, from: Address, transfers: &[(Address, U256)]) -> Call {
        let (to, amounts) = transfers.iter().copied().unzip();
        Call::new(from, self.address, &IToken::batchTransferCall { to, amounts })
    }

    /// An approval by a holder.
    pub fn approve(&self, holder: Address, spender: Address, amount: U256) -> Call {
        Call::new(holder, self.address, &IErc20::approveCall { spender, amount })
    }

    /// A transfer by an approved spender.
    pub fn transfer_from(&self, spender: Address, from: Address, to: Address, amount: U256) -> Call {
        Call::new(spender, self.address, &IErc20::transferFromCall { from, to, amount })
    }
}

/// What agents do.
impl Token {
    /// Mints to a verified wallet.
    pub fn mint(&self, to: Address, amount: U256) -> Call {
        self.by_agent(&IToken::mintCall { to, amount })
    }

    /// Mints to several wallets in one transaction.
    pub fn batch_mint(&self, mints: &[(Address, U256)]) -> Call {
        let (to, amounts) = mints.iter().copied().unzip();
        self.by_agent(&IToken::batchMintCall { to, amounts })
    }

    /// Burns; what exceeds the free balance comes out of the frozen part.
    pub fn burn(&self, wallet: Address, amount: U256) -> Call {
        self.by_agent(&IToken::burnCall { wallet, amount })
    }

    /// Burns from several wallets in one transaction.
    pub fn batch_burn(&self, burns: &[(Address, U256)]) -> Call {
        let (wallets, amounts) = burns.iter().copied().unzip();
        self.by_agent(&IToken::batchBurnCall { wallets, amounts })
    }

    /// Moves a holder's tokens without asking, also while paused or frozen; what exceeds the free balance comes out of
    /// the frozen part.
    pub fn forced_transfer(&self, from: Address, to: Address, amount: U256) -> Call {
        self.by_agent(&IToken::forcedTransferCall { from, to, amount })
    }

    /// Several forced transfers (from, to, amount) in one transaction.
    pub fn batch_forced_transfer(&self, transfers: &[(Address, Address, U256)]) -> Call {
        let call = IToken::batchForcedTransferCall {
            from: transfers.iter().map(|transfer| transfer.0).collect(),
            to: transfers.iter().map(|transfer| transfer.1).collect(),
            amounts: transfers.iter().map(|transfer| transfer.2).collect(),
        };
        self.by_agent(&call)
    }

    /// Freezes a whole wallet, or frees it.
    pub fn set_frozen(&self, wallet: Address, freeze: bool) -> Call {
        self.by_agent(&IToken::setAddressFrozenCall { wallet, freeze })
    }

    /// Freezes and frees several wallets in one transaction.
    pub fn batch_set_frozen(&self, wallets: &[(Address, bool)]) -> Call {
        let (wallets, freeze) = wallets.iter().copied().unzip();
        self.by_agent(&IToken::batchSetAddressFrozenCall { wallets, freeze })
    }

    /// Freezes more of a wallet's tokens.
    pub fn freeze(&self, wallet: Address, amount: U256) -> Call {
        self.by_agent(&IToken::freezePartialTokensCall { wallet, amount })
    }

    /// Frees some of a wallet's frozen tokens.
    pub fn unfreeze(&self, wallet: Address, amount: U256) -> Call {
        self.by_agent(&IToken::unfreezePartialTokensCall { wallet, amount })
    }

    /// Freezes tokens of several wallets in one transaction.
    pub fn batch_freeze(&self, amounts: &[(Address, U256)]) -> Call {
        let (wallets, amounts) = amounts.iter().copied().unzip();
        self.by_agent(&IToken::batchFreezePartialTokensCall { wallets, amounts })
    }

    /// Frees tokens of several wallets in one transaction.
    pub fn batch_unfreeze(&self, amounts: &[(Address, U256)]) -> Call {
        let (wallets, amounts) = amounts.iter().copied().unzip();
        self.by_agent(&IToken::batchUnfreezePartialTokensCall { wallets, amounts })
    }

    /// Moves everything from a lost wallet to another of the same identity, on which the other has a management key.
    pub fn recover(&self, lost: Address, replacement: Address, identity: Address) -> Call {
        self.by_agent(&IToken::recoveryAddressCall { lost, replacement, identity })
    }

    /// Stops transfers.
    pub fn pause(&self) -> Call {
        self.by_agent(&IToken::pauseCall {})
    }

    /// Lets transfers go on.
    pub fn unpause(&self) -> Call {
        self.by_agent(&IToken::unpauseCall {})
    }
}

/// What owners do.
impl Token {
    /// Makes an address an agent of the token.
    pub fn add_agent(&self, agent: Address) -> Call {
        self.by_owner(&IAgentRole::addAgentCall { agent })
    }

    /// Dismisses an agent of the token.
    pub fn remove_agent(&self, agent: Address) -> Call {
        self.by_owner(&IAgentRole::removeAgentCall { agent })
    }

    /// Changes the name.
    pub fn set_name(&self, name: &str) -> Call {
        self.by_owner(&IToken::setNameCall { name: name.to_owned() })
    }

    /// Changes the symbol.
    pub fn set_symbol(&self, symbol: &str) -> Call {
        self.by_owner(&IToken::setSymbolCall { symbol: symbol.to_owned() })
    }

    /// Changes the token's own identity.
    pub fn set_onchain_id(&self, identity: Address) -> Call {
        self.by_owner(&IToken::setOnchainIDCall { identity })
    }

    /// Points the token to another identity registry.
    pub fn set_identity_registry(&self, registry: Address) -> Call {
        self.by_owner(&IToken::setIdentityRegistryCall { registry })
    }

    /// Points the token to another compliance contract, which must be bound to none.
    pub fn set_compliance(&self, compliance: Address) -> Call {
        self.by_owner(&IToken::setComplianceCall { compliance })
    }

    /// Gives the token itself, not its registries, to another owner.
    pub fn transfer_ownership(&self, owner: Address) -> Call {
        self.by_owner(&IOwnable::transferOwnershipCall { newOwner: owner })
    }
}
