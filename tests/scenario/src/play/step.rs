//! The chapters, each with a sentence for whoever watches.

/// A chapter of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Implementations, authorities, factories, compliance modules.
    Platform,
    /// Three claim issuers and their signing keys.
    ClaimIssuers,
    /// An identity with claims that nothing links to anything yet.
    EarlyIdentity,
    /// The first token.
    Bond,
    /// Identities by the factory, their claims, and registrations.
    Investors,
    /// Mints.
    Mint,
    /// Transfers of every kind.
    Transfers,
    /// The second token, on the first one's storage.
    Share,
    /// Freezes of wallets and of amounts.
    Freezes,
    /// Forced transfers, single and in a batch.
    ForcedTransfers,
    /// A lost wallet.
    Recovery,
    /// Burns.
    Burn,
    /// A pause.
    Pause,
    /// Claims changed, revoked, removed, added again.
    Claims,
    /// Countries, identities and wallets changed.
    Registrations,
    /// Issuers and topics added, changed, removed.
    Trust,
    /// A signing key replaced.
    Keys,
    /// Agents come and go.
    Agents,
    /// Modules and the compliance contract changed.
    Compliance,
    /// Name and symbol changed.
    Names,
    /// A token pointed to other registries.
    Registries,
    /// A plain ERC-20 token.
    PlainToken,
}

impl Step {
    /// All steps in their order.
    pub const ALL: [Self; 22] = [
        Self::Platform,
        Self::ClaimIssuers,
        Self::EarlyIdentity,
        Self::Bond,
        Self::Investors,
        Self::Mint,
        Self::Transfers,
        Self::Share,
        Self::Freezes,
        Self::ForcedTransfers,
        Self::Recovery,
        Self::Burn,
        Self::Pause,
        Self::Claims,
        Self::Registrations,
        Self::Trust,
        Self::Keys,
        Self::Agents,
        Self::Compliance,
        Self::Names,
        Self::Registries,
        Self::PlainToken,
    ];

    /// What happens, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Platform => {
                "The operator deploys T-REX and ONCHAINID: implementations, factories and modules."
            }
            Self::ClaimIssuers => {
                "A KYC provider, an accreditor and a notary set up shop and register their keys."
            }
            Self::EarlyIdentity => {
                "Alice deploys her identity by hand and collects claims before any token exists."
            }
            Self::Bond => "The bond is deployed with its registries: holders need KYC and accreditation.",
            Self::Investors => {
                "Bob, Carol, Dave, Erin and Frank get identities and claims; six wallets are registered."
            }
            Self::Mint => "The bond is unpaused and 2,100 units are minted to five investors.",
            Self::Transfers => {
                "Investors trade: single, by approval, in a batch, three in one block, one in vain."
            }
            Self::Share => "A share is deployed on the bond's investor register, minted and traded.",
            Self::Freezes => "The agent freezes whole wallets and parts of balances, and frees some again.",
            Self::ForcedTransfers => "A court moves bonds by force, also out of what was frozen.",
            Self::Recovery => "Dave loses his wallet; his holdings and freezes move to a new one.",
            Self::Burn => "Bonds are redeemed and burned, also out of what was frozen.",
            Self::Pause => "The bond is paused: a holder's transfer fails, a forced one goes through.",
            Self::Claims => {
                "Claims are changed, revoked by their issuer, removed by their holder and added again."
            }
            Self::Registrations => {
                "Carol moves to another country, Frank gets another identity, Bob a second wallet."
            }
            Self::Trust => "The KYC provider loses the issuer's trust and regains it; a notary stands in.",
            Self::Keys => {
                "The accreditor replaces its signing key; what the old one signed is worth nothing now."
            }
            Self::Agents => "A second agent is appointed, mints, and is dismissed.",
            Self::Compliance => "Country rules change, and the bond gets another compliance contract.",
            Self::Names => "The bond changes its name and its symbol.",
            Self::Registries => {
                "The share moves to another identity registry and another list of trusted issuers."
            }
            Self::PlainToken => "A plain ERC-20 token is deployed and traded.",
        }
    }
}

/// A step that was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Which.
    pub step: Step,
    /// Its first block.
    pub first_block: u64,
    /// Its last block.
    pub last_block: u64,
}
