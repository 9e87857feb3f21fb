//! Bytes taken one after the other; past their end there are zeros.

use alloy::primitives::B256;

/// See the module.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn word(&mut self) -> B256 {
        B256::from(std::array::from_fn(|_| self.byte()))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}
