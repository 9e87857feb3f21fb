//! asset-indexer keeps the register of title for tokenized assets.

pub mod amount;
pub mod block;
pub mod decode;
pub mod discovery;
pub mod embedded;
pub mod fact;
pub mod id;
pub mod retry;
pub mod row;
pub mod source;
pub mod store;
pub mod sync;
pub mod table;
