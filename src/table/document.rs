//! Documents of tokens (ERC-1643): what a token says its papers are, by version.

use alloy::primitives::{B256, Bytes};
use uuid::Uuid;

use super::fold::Fold;
use super::rows::Missing;
use crate::decode::text;
use crate::fact::Entry;
use crate::id;
use crate::row::Versioned;
use crate::table;

table! {
    #[doc = "Documents that tokens point to (ERC-1643), a row per version."]
    AssetDocument, AssetDocumentKey: versioned "asset_documents"
    key {
        chain_id: u64 = "The chain.",
        asset_id: Uuid = "The asset.",
        name: B256 = "The document's name, 32 bytes as the token logged them.",
    }
    columns {
        uri: String = "Where it can be read; what is not valid text is escaped.",
        document_hash: B256 = "Digest of its content, as the token says.",
    }
}

impl Fold {
    /// A document was added or replaced, or taken off.
    pub(super) fn document_set(
        &mut self,
        entry: &Entry,
        name: B256,
        uri: &Bytes,
        document_hash: B256,
        active: bool,
    ) -> Result<(), Missing> {
        let asset_id = entry.asset_id.unwrap_or_else(|| id::asset_id(self.chain_id(), entry.log.address));
        let key = AssetDocumentKey { chain_id: self.chain_id(), asset_id, name };
        if let Some(mut open) = self.documents.get(&key)? {
            open.close(entry.position(), entry.time);
            self.documents.put(open);
        }
        if active {
            let at = entry.position();
            self.documents.put(AssetDocument {
                chain_id: key.chain_id,
                asset_id,
                name,
                from_block: at.block_number,
                from_log: at.log_index,
                uri: text::storable(uri, text::LONG_MAX),
                document_hash,
                from_at: entry.time,
                to_block: None,
                to_log: None,
                to_at: None,
            });
        }
        Ok(())
    }
}
