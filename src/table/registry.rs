//! Registries: which wallet belongs to which identity, whose claims count, which topics are required.
//!
//! The truth about registrations is the storage's: registries that share one never log each other's.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use uuid::Uuid;

use super::fold::Fold;
use super::rows::Missing;
use crate::amount::Amount;
use crate::decode::calls::{self, identity_update};
use crate::fact::Entry;
use crate::mutant::{Mutant, is};
use crate::row::{Table, Versioned};
use crate::{id, table};

table! {
    #[doc = "Wallets registered in an identity registry storage, by version."]
    Registration, RegistrationKey: versioned "registrations"
    key {
        chain_id: u64 = "The chain.",
        storage: Address = "The identity registry storage.",
        wallet: Address = "The wallet.",
    }
    columns {
        identity: Address = "The identity the wallet belongs to.",
        identity_id: Uuid = "The row of identities.",
        country: Option<u32> = "ISO 3166-1 numeric; observed at registration, null where the node could not tell.",
        undetermined: bool = "A change of identity was logged that could not be told to be this wallet's or another's.",
    }
}

table! {
    #[doc = "Issuers that a trusted issuers registry trusts, and for which topics, by version."]
    VerificationProvider, VerificationProviderKey: versioned "verification_providers"
    key {
        chain_id: u64 = "The chain.",
        registry: Address = "The trusted issuers registry.",
        issuer: Address = "The claim issuer's contract.",
    }
    columns {
        topics: Vec<Amount> = "Claim topics the issuer is trusted for.",
    }
}

table! {
    #[doc = "Claim topics that a claim topics registry requires, by version."]
    RequiredTopic, RequiredTopicKey: versioned "required_topics"
    key {
        chain_id: u64 = "The chain.",
        registry: Address = "The claim topics registry.",
        topic: Amount = "The claim topic.",
    }
    columns {}
}

impl Fold {
    fn registration_key(&self, entry: &Entry, wallet: Address) -> RegistrationKey {
        RegistrationKey { chain_id: self.chain_id(), storage: entry.log.address, wallet }
    }

    /// A storage registered a wallet; the log says no country, the storage does.
    pub(super) fn identity_stored(
        &mut self,
        entry: &Entry,
        wallet: Address,
        identity: Address,
    ) -> Result<(), Missing> {
        let open = self.registrations.get(&self.registration_key(entry, wallet));
        let call = calls::storedInvestorCountryCall { wallet }.abi_encode();
        let country = self.observe(entry, call)?.word().and_then(|word| u16::try_from(word).ok());
        self.registration_began(entry, open?, wallet, identity, country.map(u32::from), false);
        Ok(())
    }

    /// A storage removed a wallet.
    pub(super) fn identity_unstored(&mut self, entry: &Entry, wallet: Address) -> Result<(), Missing> {
        if let Some(mut open) = self.registrations.get(&self.registration_key(entry, wallet))? {
            open.close(entry.position(), entry.time);
            if !is(Mutant::UnstoredStaysRegistered) {
                self.registrations.put(open);
            }
        }
        Ok(())
    }

    /// A storage gave a wallet another country.
    pub(super) fn country_modified(
        &mut self,
        entry: &Entry,
        wallet: Address,
        country: u16,
    ) -> Result<(), Missing> {
        if let Some(open) = self.registrations.get(&self.registration_key(entry, wallet))? {
            let (identity, undetermined) = (open.identity, open.undetermined);
            self.registration_began(
                entry,
                Some(open),
                wallet,
                identity,
                Some(u32::from(country)),
                undetermined,
            );
        }
        Ok(())
    }

    /// A storage gave some wallet of `old` the identity `new`, without saying which wallet.
    ///
    /// The only wallet of `old` must be it, where all that the storage logged is known; of several, the one that the call
    /// data names; else the one that the storage maps to `new` at the end of the block. What none of these tells is marked,
    /// not guessed.
    pub(super) fn identity_modified(
        &mut self,
        entry: &Entry,
        old: Address,
        new: Address,
    ) -> Result<(), Missing> {
        // Whichever wallet it was: it has the identity that it had.
        if old == new {
            return Ok(());
        }
        let candidates = self.wallets_of(entry, old)?;
        let (wallet, told) = match candidates.as_slice() {
            // Of a storage that is followed only from some block on, others may have it.
            [only] if self.opening(entry.log.address).is_none() => (Some(*only), false),
            several => match self.named_by_input(entry, several, new)? {
                Some(named) => (Some(named), true),
                None => (self.named_by_state(entry, several, new)?, true),
            },
        };
        let changed: Vec<Address> = wallet.map_or(candidates, |wallet| vec![wallet]);
        for candidate in changed {
            let open = self.registrations.get(&self.registration_key(entry, candidate))?;
            let (country, doubted) =
                open.as_ref().map_or((None, false), |open| (open.country, open.undetermined));
            let identity = if wallet.is_some() { new } else { old };
            // Of an earlier change that nobody told, being the only one left settles nothing.
            let undetermined = wallet.is_none() || !told && doubted;
            self.registration_began(entry, open, candidate, identity, country, undetermined);
        }
        Ok(())
    }

    fn wallets_of(&mut self, entry: &Entry, identity: Address) -> Result<Vec<Address>, Missing> {
        let stored = self.stored_wallets(entry.log.address, identity)?;
        // What this fold gave to be written before may not be stored yet.
        let written: Vec<Address> = self
            .registrations
            .at_hand()
            .filter(|row| row.storage == entry.log.address)
            .map(|row| row.wallet)
            .collect();
        let mut wallets = Vec::new();
        for wallet in stored.into_iter().chain(written) {
            let open = self.registrations.get(&self.registration_key(entry, wallet))?;
            if open.is_some_and(|open| open.identity == identity) {
                wallets.push(wallet);
            }
        }
        wallets.sort_unstable();
        wallets.dedup();
        Ok(wallets)
    }

    fn named_by_input(
        &mut self,
        entry: &Entry,
        candidates: &[Address],
        new: Address,
    ) -> Result<Option<Address>, Missing> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let named = self.input_of(entry)?.and_then(|input| identity_update(&input.input));
        Ok(named
            .filter(|(wallet, identity)| *identity == new && candidates.contains(wallet))
            .map(|(wallet, _)| wallet))
    }

    fn named_by_state(
        &mut self,
        entry: &Entry,
        candidates: &[Address],
        new: Address,
    ) -> Result<Option<Address>, Missing> {
        let answers: Vec<_> = candidates
            .iter()
            .map(|wallet| self.observe(entry, calls::storedIdentityCall { wallet: *wallet }.abi_encode()))
            .collect();
        let mut moved = Vec::new();
        for (wallet, answer) in candidates.iter().zip(answers) {
            if answer?.address() == Some(new) {
                moved.push(*wallet);
            }
        }
        Ok(if let [only] = moved.as_slice() { Some(*only) } else { None })
    }

    fn registration_began(
        &mut self,
        entry: &Entry,
        open: Option<Registration>,
        wallet: Address,
        identity: Address,
        country: Option<u32>,
        undetermined: bool,
    ) {
        let at = entry.position();
        if let Some(mut open) = open {
            open.close(at, entry.time);
            self.registrations.put(open);
        }
        self.registrations.put(Registration {
            chain_id: self.chain_id(),
            storage: entry.log.address,
            wallet,
            from_block: at.block_number,
            from_log: at.log_index,
            identity,
            identity_id: id::identity_id(self.chain_id(), identity),
            country,
            undetermined,
            from_at: entry.time,
            to_block: None,
            to_log: None,
            to_at: None,
        });
    }

    /// An issuer is trusted for these topics, or (with none given) no longer.
    pub(super) fn issuer_trusted(
        &mut self,
        entry: &Entry,
        issuer: Address,
        topics: Option<&[U256]>,
    ) -> Result<(), Missing> {
        let key = VerificationProviderKey { chain_id: self.chain_id(), registry: entry.log.address, issuer };
        if let Some(mut open) = self.providers.get(&key)? {
            open.close(entry.position(), entry.time);
            self.providers.put(open);
        }
        if let Some(topics) = topics {
            let at = entry.position();
            self.providers.put(VerificationProvider {
                chain_id: key.chain_id,
                registry: key.registry,
                issuer,
                from_block: at.block_number,
                from_log: at.log_index,
                topics: topics.iter().copied().map(Amount::from).collect(),
                from_at: entry.time,
                to_block: None,
                to_log: None,
                to_at: None,
            });
        }
        Ok(())
    }

    /// A claim topic is required, or no longer.
    pub(super) fn topic_required(
        &mut self,
        entry: &Entry,
        topic: U256,
        required: bool,
    ) -> Result<(), Missing> {
        let key = RequiredTopicKey {
            chain_id: self.chain_id(),
            registry: entry.log.address,
            topic: Amount::from(topic),
        };
        match (self.required_topics.get(&key)?, required) {
            (Some(mut open), false) => {
                open.close(entry.position(), entry.time);
                self.required_topics.put(open);
            }
            (None, true) => {
                let at = entry.position();
                self.required_topics.put(RequiredTopic {
                    chain_id: key.chain_id,
                    registry: key.registry,
                    topic: key.topic,
                    from_block: at.block_number,
                    from_log: at.log_index,
                    from_at: entry.time,
                    to_block: None,
                    to_log: None,
                    to_at: None,
                });
            }
            (Some(_), true) | (None, false) => {}
        }
        Ok(())
    }
}

/// The declaration's name for looking up the wallets of an identity.
pub(crate) fn registrations_by_identity() -> (&'static crate::row::TableDef, [usize; 3]) {
    let def = Registration::DEF;
    let place = |name| def.column(name).expect("the column is declared above");
    (def, [place("chain_id"), place("storage"), place("identity")])
}

#[cfg(test)]
mod tests;
