//! Which questions a statement of the tables leads to, and what an answer says of it.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use super::{Drift, Position, Stated, Subject, Supply, What, word};
use crate::amount::Amount;
use crate::block::BlockId;
use crate::decode::calls;
use crate::source::{CallAnswer, CallRequest};

/// What the tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// Base units; never equal to an answer where below zero or beyond 256 bits.
    Amount(Amount),
    /// Yes or no.
    Flag(bool),
    /// An account.
    Account(Address),
    /// A number.
    Number(u16),
}

impl Ours {
    fn said(self) -> String {
        match self {
            Self::Amount(amount) => amount.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Account(account) => format!("{account:#x}"),
            Self::Number(number) => number.to_string(),
        }
    }

    /// An answer in the same form.
    fn like(self, word: U256) -> Self {
        match self {
            Self::Amount(_) => Self::Amount(Amount::from(word)),
            Self::Flag(_) => Self::Flag(!word.is_zero()),
            Self::Account(_) => Self::Account(Address::from_word(word.into())),
            // A number that does not fit is another number.
            Self::Number(ours) => Self::Number(u16::try_from(word).unwrap_or(!ours)),
        }
    }
}

/// A question to a contract, and what the tables would have it answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub subject: Subject,
    /// The contract.
    pub target: Address,
    /// Selector and arguments.
    pub input: Bytes,
    /// What the tables say.
    pub ours: Ours,
    /// Flags of the asset that may explain a difference.
    pub flags: Vec<&'static str>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Contract and tables agree.
    Agreed,
    /// They do not.
    Differs(Drift),
    /// There is no answer to compare with: the call reverted, or the node does not keep the state.
    Unanswered(&'static str),
}

impl Question {
    /// The question as a call at a block.
    pub fn call(&self, block: BlockId) -> CallRequest {
        CallRequest { block, target: self.target, input: self.input.clone() }
    }

    /// What an answer says.
    pub fn judge(&self, answer: &CallAnswer) -> Judgement {
        let word = match answer {
            CallAnswer::Returned(bytes) => word(bytes),
            CallAnswer::Reverted => return Judgement::Unanswered("the call reverted"),
            CallAnswer::StateUnavailable => {
                return Judgement::Unanswered("the node does not keep the state of the block");
            }
        };
        let Some(word) = word else { return Judgement::Unanswered("the answer is no word") };
        let theirs = self.ours.like(word);
        if theirs == self.ours {
            return Judgement::Agreed;
        }
        Judgement::Differs(Drift {
            subject: self.subject,
            ours: self.ours.said(),
            theirs: if matches!(theirs, Ours::Number(_)) { word.to_string() } else { theirs.said() },
            flags: self.flags.clone(),
        })
    }
}

/// The questions that statements lead to, the supplies first.
pub fn questions(stated: &Stated) -> Vec<Question> {
    let supplies = stated.supplies.iter().map(of_supply);
    supplies.chain(stated.positions.iter().flat_map(of_position)).collect()
}

fn of_supply(supply: &Supply) -> Question {
    Question {
        subject: Subject { asset_id: supply.asset_id, wallet: None, what: What::TotalSupply },
        target: supply.token,
        input: calls::totalSupplyCall {}.abi_encode().into(),
        ours: Ours::Amount(supply.total_supply),
        flags: supply.flags.clone(),
    }
}

fn of_position(position: &Position) -> Vec<Question> {
    let wallet = position.wallet;
    let question = |what, target, input: Vec<u8>, ours| Question {
        subject: Subject { asset_id: position.asset_id, wallet: Some(wallet), what },
        target,
        input: input.into(),
        ours,
        flags: position.flags.clone(),
    };
    let token = position.token;
    let balance = calls::balanceOfCall { account: wallet }.abi_encode();
    let mut asked = vec![question(What::Balance, token, balance, Ours::Amount(position.balance))];
    if let Some((frozen, flag)) = position.freezes {
        let input = calls::getFrozenTokensCall { wallet }.abi_encode();
        asked.push(question(What::Frozen, token, input, Ours::Amount(frozen)));
        let input = calls::isFrozenCall { wallet }.abi_encode();
        asked.push(question(What::WalletFrozen, token, input, Ours::Flag(flag)));
    }
    let Some(stated) = &position.registry else { return asked };
    let registry = stated.registry;
    if let Some(identity) = stated.identity {
        let input = calls::identityCall { wallet }.abi_encode();
        asked.push(question(What::Identity, registry, input, Ours::Account(identity)));
        let input = calls::containsCall { wallet }.abi_encode();
        asked.push(question(What::Registered, registry, input, Ours::Flag(!identity.is_zero())));
    }
    if let Some(country) = stated.country {
        let input = calls::investorCountryCall { wallet }.abi_encode();
        asked.push(question(What::Country, registry, input, Ours::Number(country)));
    }
    if let Some(verified) = stated.verified {
        let input = calls::isVerifiedCall { wallet }.abi_encode();
        asked.push(question(What::Verified, registry, input, Ours::Flag(verified)));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolValue;
    use uuid::Uuid;

    fn position(registry: Option<super::super::Registered>) -> Position {
        Position {
            asset_id: Uuid::nil(),
            token: Address::with_last_byte(1),
            wallet: Address::with_last_byte(2),
            balance: Amount::from(7),
            freezes: Some((Amount::ZERO, false)),
            registry,
            flags: vec!["negative_balance"],
        }
    }

    fn returned(word: U256) -> CallAnswer {
        CallAnswer::Returned(word.abi_encode().into())
    }

    #[test]
    fn what_the_logs_do_not_tell_is_not_asked() {
        assert_eq!(of_position(&position(None)).len(), 3);
        let registry = Address::with_last_byte(3);
        let unknown = super::super::Registered { registry, identity: None, country: None, verified: None };
        assert_eq!(of_position(&position(Some(unknown.clone()))).len(), 3);
        let known = super::super::Registered {
            identity: Some(Address::ZERO),
            country: Some(0),
            verified: Some(false),
            ..unknown
        };
        let asked = of_position(&position(Some(known)));
        assert_eq!(asked.len(), 7);
        let registered = asked.iter().find(|question| question.subject.what == What::Registered);
        assert_eq!(registered.map(|question| question.ours), Some(Ours::Flag(false)));
    }

    #[test]
    fn answers_are_compared_as_what_they_are() {
        let question = &of_position(&position(None))[0];
        assert_eq!(question.judge(&returned(U256::from(7))), Judgement::Agreed);
        let Judgement::Differs(drift) = question.judge(&returned(U256::from(8))) else {
            panic!("it differs")
        };
        assert_eq!((drift.ours.as_str(), drift.theirs.as_str()), ("7", "8"));
        assert_eq!(drift.flags, ["negative_balance"]);
        for silent in [CallAnswer::Reverted, CallAnswer::StateUnavailable, CallAnswer::Returned(Bytes::new())]
        {
            assert!(matches!(question.judge(&silent), Judgement::Unanswered(_)));
        }
        let below = Question { ours: Ours::Amount(Amount::ZERO.minus(Amount::from(1))), ..question.clone() };
        assert!(matches!(below.judge(&returned(U256::MAX)), Judgement::Differs(_)), "no wrapping around");
        let country = Question { ours: Ours::Number(u16::MAX), ..question.clone() };
        assert!(matches!(country.judge(&returned(U256::MAX)), Judgement::Differs(_)), "no cutting off");
    }
}
