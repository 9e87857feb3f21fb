//! What lies beside a file: what it holds, and how anybody can see that it still does.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::MaintainError;

/// See the module. The same partition gives the same manifest: when it was archived is in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The manifest's own form.
    pub format: u32,
    /// The program that wrote it.
    pub program: String,
    /// Version of the schema that the rows are of.
    pub schema_version: i64,
    /// The table, with its schema.
    pub table: String,
    /// The partition.
    pub partition: String,
    /// What it holds, in words.
    pub holds: String,
    /// Its bounds, as SQL.
    pub bounds: String,
    /// The columns, in the order of the file.
    pub columns: Vec<String>,
    /// Rows in the file.
    pub rows: i64,
    /// How rows are written.
    pub encoding: String,
    /// SHA-256 of the rows as they are written, before compression.
    pub content_sha256: String,
    /// The file, in the same folder.
    pub file: String,
    /// Its size.
    pub file_bytes: u64,
    /// Its SHA-256.
    pub file_sha256: String,
    /// Of events: the digest of the blocks, as `api.digests` says it.
    pub register_digest: Option<String>,
    /// Of a sealed trail: the digest of the last seal that covers a row of it.
    pub closing_seal: Option<String>,
}

/// How rows are written, for whoever reads a file without this program.
pub(super) const ENCODING: &str =
    "PostgreSQL COPY text, UTF-8, rows in the order of the primary key, times in UTC, under gzip";

impl Manifest {
    /// The manifest's text, and its SHA-256.
    pub(super) fn text(&self) -> (String, String) {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        let digest = alloy::hex::encode(Sha256::digest(text.as_bytes()));
        (text, digest)
    }
}

/// The manifest beside a file.
pub(super) fn place(folder: &Path, file: &str) -> PathBuf {
    let name = file.strip_suffix(".copy.gz").unwrap_or(file);
    folder.join(format!("{name}.json"))
}

/// The name of a file while it is being written.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// Gives a file that is on the disk its name, for good: a name is in its folder only once that is on the disk too.
pub(super) fn finish(path: &Path) -> Result<(), MaintainError> {
    let failed = |error: std::io::Error| MaintainError::file(path, &error);
    fs::rename(unfinished(path), path).map_err(failed)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Writes a manifest beside its file.
pub(super) fn write(folder: &Path, manifest: &Manifest) -> Result<String, MaintainError> {
    let path = place(folder, &manifest.file);
    let (text, digest) = manifest.text();
    let failed = |error: std::io::Error| MaintainError::file(&path, &error);
    let mut file = File::create(unfinished(&path)).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    finish(&path)?;
    Ok(digest)
}
