//! Documents of tokens (ERC-1643).

use serde_json::{Value, json};

use crate::events::Event;
use crate::row::{Here, Row, Versions, hex, row};

/// What the documents of tokens leave behind.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    documents: Versions,
}

impl Documents {
    /// Takes the next event of a token.
    pub(crate) fn take(&mut self, here: Here<'_>, event: &Event) {
        if !matches!(event.name, "DocumentUpdated" | "DocumentRemoved") {
            return;
        }
        let thing = format!("{} {}", here.log.address, event.hash("_name"));
        if event.name == "DocumentRemoved" {
            self.documents.end(&thing, here);
            return;
        }
        let row = row! {
            "asset_id" => hex(here.log.address),
            "name" => hex(event.hash("_name")),
            "uri" => uri(event),
            "document_hash" => hex(event.hash("_documentHash")),
        };
        self.documents.replace(&thing, row, here);
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.documents.into_rows()
    }
}

/// What an operation on a document says of it.
pub(crate) fn parameters(event: &Event) -> Value {
    json!({
        "name": hex(event.hash("_name")),
        "uri": uri(event),
        "document_hash": hex(event.hash("_documentHash")),
    })
}

fn uri(event: &Event) -> String {
    event.text("_uri").expect("it is not indexed")
}
