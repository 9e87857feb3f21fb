//! Registries: which wallet belongs to which identity, whose claims count, which topics are required.
//!
//! The truth about registrations is the storage's: registries that share one never log each other's.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use uuid::Uuid;

use super::fold::Fold;
use super::rows::Missing;
use crate::amount::Amount;
use crate::decode::calls::{self, identity_update};
use crate::fact::Entry;
use crate::mutant::{Mutant, is};
use crate::row::{Table, TableDef, Versioned};
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
    /// It may be any that has `old`, and any in doubt, which may have it. The only one must be it, where all that the
    /// storage logged is known; of several, the one that the call data names; else those that the storage maps to `new`
    /// at the end of the block: all of them from this log on, since the state does not tell which of them a later log of
    /// the block is about. What none of these tells is marked, not guessed.
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
        let candidates = self.candidates(entry, old)?;
        let may_have = |open: &Registration| open.identity == old || open.undetermined;
        // Of a storage that is followed only from some block on, others may have it.
        let is_only = matches!(candidates.as_slice(), [only] if may_have(only))
            && self.opening(entry.log.address).is_none();
        if let [only] = candidates.as_slice()
            && is_only
            && !only.undetermined
        {
            self.identity_became(entry, only.clone(), new, false);
            return Ok(());
        }
        if let Some(named) = self.named_by_input(entry, &candidates, new)? {
            self.identity_became(entry, named, new, false);
            return Ok(());
        }
        let answers = self.identities_by_state(entry, &candidates)?;
        for (open, answer) in candidates.into_iter().zip(answers) {
            let (identity, undetermined) = match answer {
                Some(answer) if answer == new || answer == open.identity => (answer, false),
                // Of an earlier change that nobody told, being the only one left settles nothing.
                _ if is_only => (new, true),
                // Another identity is a later log's to give: until then this one may have been meant here.
                _ => (open.identity, may_have(&open)),
            };
            self.identity_became(entry, open, identity, undetermined);
        }
        Ok(())
    }

    /// The registrations that a change of `old` may be about: those of `old`; those in doubt, which are kept under an
    /// identity that they may no longer have; and those of which the state told at an earlier log of the block, and which
    /// may have changed only here.
    fn candidates(&mut self, entry: &Entry, old: Address) -> Result<Vec<Registration>, Missing> {
        let storage = entry.log.address;
        let told = self.told_by_state.get(&(storage, entry.log.block.number)).cloned().unwrap_or_default();
        let may_be_meant =
            |open: &Registration| open.identity == old || open.undetermined || told.contains(&open.wallet);
        let (of_old, in_doubt) =
            (self.stored_wallets(storage, Some(old)), self.stored_wallets(storage, None));
        let mut wallets: BTreeSet<Address> = of_old?.into_iter().chain(in_doubt?).collect();
        // What this fold gave to be written before may not be stored yet.
        let at_hand = self.registrations.at_hand().filter(|row| row.storage == storage && may_be_meant(row));
        wallets.extend(at_hand.map(|row| row.wallet));
        let mut candidates = Vec::new();
        for wallet in wallets {
            let open = self.registrations.get(&self.registration_key(entry, wallet))?;
            candidates.extend(open.filter(may_be_meant));
        }
        Ok(candidates)
    }

    fn named_by_input(
        &mut self,
        entry: &Entry,
        candidates: &[Registration],
        new: Address,
    ) -> Result<Option<Registration>, Missing> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let named = self.input_of(entry)?.and_then(|input| identity_update(&input.input));
        let named = named.filter(|(_, identity)| *identity == new);
        Ok(named.and_then(|(wallet, _)| candidates.iter().find(|open| open.wallet == wallet).cloned()))
    }

    /// The identities to which the storage maps these wallets at the end of the block; `None` where it does not answer.
    fn identities_by_state(
        &mut self,
        entry: &Entry,
        candidates: &[Registration],
    ) -> Result<Vec<Option<Address>>, Missing> {
        let call = |open: &Registration| calls::storedIdentityCall { wallet: open.wallet }.abi_encode();
        // Each is asked for before one that is missing ends this attempt.
        let answers: Vec<_> = candidates.iter().map(|open| self.observe(entry, call(open))).collect();
        let mut identities = Vec::new();
        for answer in answers {
            identities.push(answer?.address());
        }
        let answered = candidates.iter().zip(&identities).filter(|(_, identity)| identity.is_some());
        let place = (entry.log.address, entry.log.block.number);
        self.told_by_state.entry(place).or_default().extend(answered.map(|(open, _)| open.wallet));
        Ok(identities)
    }

    /// Begins a version of a registration whose identity, or the doubt about it, is another than before.
    fn identity_became(&mut self, entry: &Entry, open: Registration, identity: Address, undetermined: bool) {
        if (open.identity, open.undetermined) != (identity, undetermined) {
            let (wallet, country) = (open.wallet, open.country);
            self.registration_began(entry, Some(open), wallet, identity, country, undetermined);
        }
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
pub(crate) fn registrations_by_identity() -> (&'static TableDef, [usize; 3]) {
    registrations_by("identity")
}

/// The declaration's name for looking up the wallets in doubt of a storage.
pub(crate) fn registrations_in_doubt() -> (&'static TableDef, [usize; 3]) {
    registrations_by("undetermined")
}

fn registrations_by(column: &str) -> (&'static TableDef, [usize; 3]) {
    let def = Registration::DEF;
    let place = |name| def.column(name).expect("the column is declared above");
    (def, [place("chain_id"), place("storage"), place(column)])
}

#[cfg(test)]
mod tests;
