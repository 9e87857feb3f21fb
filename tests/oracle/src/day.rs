//! A token's days: what moved in each, and how it stood after the last log of it that counts.

use std::collections::BTreeMap;

use alloy::primitives::Address;

use crate::events::Event;
use crate::row::{Here, Row, Sum, day, hex, row};

/// What the days of tokens leave behind.
#[derive(Debug, Default)]
pub(crate) struct Days {
    days: BTreeMap<(Address, u64), Day>,
}

#[derive(Debug, Default)]
struct Day {
    transfers: u64,
    minted: Sum,
    burned: Sum,
    volume: Sum,
    row: Row,
}

impl Days {
    /// Takes the next event of a token; `totals` is how the token stands after it.
    pub(crate) fn take(&mut self, here: Here<'_>, event: &Event, totals: &Row) {
        if !matches!(event.name, "Transfer" | "AddressFrozen" | "TokensFrozen" | "TokensUnfrozen") {
            return;
        }
        let begin = day(here.block.timestamp);
        let key = (here.log.address, begin.as_u64().expect("a time"));
        let day = self.days.entry(key).or_default();
        if event.name == "Transfer" {
            day.add(event);
        }
        day.row = row! {
            "chain_id" => here.chain_id,
            "asset_id" => hex(here.log.address),
            "day" => begin,
            "updated_block" => here.number(),
        };
        day.row.extend(totals.clone());
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.days.into_values().map(Day::into_row).collect()
    }
}

impl Day {
    fn add(&mut self, transfer: &Event) {
        let (from, to) = (transfer.address("from"), transfer.address("to"));
        let amount = transfer.number("value");
        self.transfers += 1;
        if from.is_zero() {
            self.minted.add(amount);
        }
        if to.is_zero() {
            self.burned.add(amount);
        }
        if !from.is_zero() && !to.is_zero() {
            self.volume.add(amount);
        }
    }

    fn into_row(mut self) -> Row {
        self.row.extend(row! {
            "transfers" => self.transfers,
            "minted" => self.minted.text(),
            "burned" => self.burned.text(),
            "volume" => self.volume.text(),
        });
        self.row
    }
}
