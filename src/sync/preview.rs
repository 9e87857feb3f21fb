//! What would be written for one transaction, without writing: for `decode`.

use alloy::primitives::B256;

use super::{Assembled, Sync, SyncError};
use crate::block::BlockId;
use crate::source::{Source, SourceError};
use crate::store::Store;
use crate::table::fold::Changes;

/// See the module.
#[derive(Debug)]
pub struct Preview {
    /// The transaction's logs of watched contracts, read.
    pub assembled: Assembled,
    /// Rows as from empty tables: a holder's balance is what the transaction adds to it.
    pub changes: Changes,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Reads and folds one transaction on an empty store, in the roles of the contracts that are configured, watched or
    /// announced in it.
    ///
    /// # Errors
    /// The node's; nothing is written, so nothing else can fail.
    pub async fn preview(
        &mut self,
        block: BlockId,
        transaction: B256,
        watched: Vec<(alloy::primitives::Address, crate::fact::Role)>,
    ) -> Result<Preview, SyncError> {
        let mut logs = self.source.logs_of_block(block).await?;
        logs.retain(|log| log.transaction_hash == transaction);
        let header = self.source.header(block.number).await?.filter(|header| header.id == block);
        header.ok_or(SourceError::BlockGone { number: block.number, hash: Some(block.hash) })?;
        let configured = self.config.contracts.iter().map(|contract| (contract.address, contract.role));
        let roles = configured.chain(watched).collect();
        self.known = Some(super::Known {
            at: block,
            roles,
            catching_up: Default::default(),
            announced: Default::default(),
        });
        let mut assembly = super::assemble::Assembly::default();
        let mut wanted: Vec<_> = self.watched();
        loop {
            let of_wanted = logs.iter().filter(|log| wanted.contains(&log.address)).cloned().collect();
            self.read(&mut assembly, of_wanted).await?;
            let found = self.announced(&mut assembly);
            if found.is_empty() {
                break;
            }
            wanted = found.into_iter().map(|(address, _)| address).collect();
        }
        let assembled = assembly.done();
        let changes = self.fold(&assembled).await?;
        self.known = None;
        Ok(Preview { assembled, changes })
    }
}
