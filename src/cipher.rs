//! Reading what an application encrypted with a person's key. Nothing is encrypted here: applications write, an export
//! reads. The format stands in the migration that made `app.subject_tables`; pure, without I/O.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// What a ciphertext of a column begins with.
pub const MARK: &str = "v1.";
const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;

/// Why something cannot be read. No message holds a key or a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CipherError {
    /// A line of the file of keys.
    #[error(
        "line {line} of the keys is not NAME KEY, the key 32 bytes in base64: `openssl rand -base64 32` makes one"
    )]
    Line {
        /// From 1.
        line: usize,
    },
    /// A name that stands twice in the file of keys.
    #[error("the keys name {name} twice: a name stands for one key for ever")]
    Twice {
        /// The name.
        name: String,
    },
    /// The key that wrapped a person's key is not in the file.
    #[error("the person's key is wrapped by {name}, which the keys do not hold: they hold {held}")]
    Missing {
        /// The name.
        name: String,
        /// Those that are there.
        held: String,
    },
    /// It is not in the format, or was made by another key or for another place.
    #[error(
        "{place} cannot be decrypted: it was changed, or made with another key or for another column or person"
    )]
    Unreadable {
        /// Table and column.
        place: String,
    },
}

/// Wrapping keys by name, as a file holds them: a line each, `NAME KEY`, the key in base64; `#` begins a comment.
pub struct WrappingKeys(BTreeMap<String, [u8; KEY_BYTES]>);

impl std::fmt::Debug for WrappingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl WrappingKeys {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`CipherError::Line`] and [`CipherError::Twice`].
    pub fn parse(text: &str) -> Result<Self, CipherError> {
        let mut keys = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = CipherError::Line { line: number + 1 };
            let Some((name, key)) = line.split_once(char::is_whitespace) else { return Err(wrong) };
            let Ok(key) = STANDARD.decode(key.trim()).unwrap_or_default().try_into() else {
                return Err(wrong);
            };
            if keys.insert(name.to_owned(), key).is_some() {
                return Err(CipherError::Twice { name: name.to_owned() });
            }
        }
        Ok(Self(keys))
    }

    /// A person's key, from `app.subject_keys`: `wrapped` by the key of the name `wrapping`.
    ///
    /// # Errors
    /// [`CipherError::Missing`] where the name is not here; [`CipherError::Unreadable`].
    pub fn unwrap_key(
        &self,
        person: Uuid,
        wrapped: &str,
        wrapping: &str,
    ) -> Result<PersonalKey, CipherError> {
        let Some(key) = self.0.get(wrapping) else {
            let held = match self.0.len() {
                0 => "none".to_owned(),
                _ => self.0.keys().cloned().collect::<Vec<_>>().join(", "),
            };
            return Err(CipherError::Missing { name: wrapping.to_owned(), held });
        };
        let place = "subject_keys.wrapped_key";
        let unreadable = || CipherError::Unreadable { place: place.to_owned() };
        let key = open(key, wrapped, &format!("{place}/{person}")).ok_or_else(unreadable)?;
        Ok(PersonalKey { person, key: key.try_into().map_err(|_| unreadable())? })
    }
}

/// The key of one person.
pub struct PersonalKey {
    person: Uuid,
    key: [u8; KEY_BYTES],
}

impl std::fmt::Debug for PersonalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonalKey").field("person", &self.person).finish_non_exhaustive()
    }
}

impl PersonalKey {
    /// The value of a column, `place` being `table.column` without schema.
    ///
    /// # Errors
    /// [`CipherError::Unreadable`].
    pub fn read(&self, place: &str, ciphertext: &str) -> Result<String, CipherError> {
        ciphertext
            .strip_prefix(MARK)
            .and_then(|sealed| open(&self.key, sealed, &format!("{place}/{}", self.person)))
            .and_then(|plain| String::from_utf8(plain).ok())
            .ok_or_else(|| CipherError::Unreadable { place: place.to_owned() })
    }
}

/// Nonce, ciphertext and tag in base64, to what was encrypted; nothing where that is not what it is.
fn open(key: &[u8; KEY_BYTES], sealed: &str, associated: &str) -> Option<Vec<u8>> {
    let sealed = STANDARD.decode(sealed).ok()?;
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut rest = rest.to_vec();
    key.open_in_place(nonce, Aad::from(associated.as_bytes()), &mut rest).ok().map(|plain| plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by another implementation (OpenSSL by way of Node): wrapping key 32 times 1, data key 0, 1, … 31.
    const KEYS: &str = "# ours\n\nfile-2026 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
    const WRAPPED: &str = "AgICAgICAgICAgICB9fLSk5Sx/rbxbbDUKrMvbKkw/z/pJtmxZ764GTmamCFGuwf25RpWDISeF9JRs+I";
    const NAME: &str = "v1.AwMDAwMDAwMDAwMDtCT/fUGdMhTfs8WA5+jnHAU/Z+g=";

    fn person() -> Uuid {
        "7d3c9d34-0d0b-4f0e-9b0a-3c1f5a1e2b4d".parse().expect("an id")
    }

    fn key() -> PersonalKey {
        let keys = WrappingKeys::parse(KEYS).expect("keys");
        keys.unwrap_key(person(), WRAPPED, "file-2026").expect("it was wrapped by this one")
    }

    #[test]
    fn what_another_implementation_encrypted_is_read() {
        assert_eq!(key().read("user_profiles.first_name", NAME).expect("its key"), "Zoë");
    }

    #[test]
    fn a_value_in_another_place_or_changed_is_not_read() {
        let unreadable = |place: &str| Err(CipherError::Unreadable { place: place.to_owned() });
        let other = "user_profiles.last_name";
        assert_eq!(key().read(other, NAME), unreadable(other), "the ciphertext of another column");
        let place = "user_profiles.first_name";
        for wrong in ["", "v1.", "v1.AAAA", "v2.AwMDAwMDAwMDAwMDtCT/fUGdMhTfs8WA5+jnHAU/Z+g="] {
            assert_eq!(key().read(place, wrong), unreadable(place), "{wrong}");
        }
        let changed = NAME.replace("tCT", "tCU");
        assert_eq!(key().read(place, &changed), unreadable(place), "one bit");
        let keys = WrappingKeys::parse(KEYS).expect("keys");
        let stranger = keys.unwrap_key(Uuid::nil(), WRAPPED, "file-2026");
        assert!(
            matches!(stranger, Err(CipherError::Unreadable { .. })),
            "another person's key: {stranger:?}"
        );
    }

    #[test]
    fn a_file_of_keys_is_told_line_and_name_and_no_key() {
        for (text, line) in [("a", 1), ("# x\nname short", 2), ("name AQEBAQ==", 1)] {
            assert_eq!(WrappingKeys::parse(text).expect_err(text), CipherError::Line { line });
        }
        let twice = format!("{KEYS}{}", KEYS.lines().last().unwrap_or_default());
        let twice = WrappingKeys::parse(&twice).expect_err("one name, one key");
        assert_eq!(twice, CipherError::Twice { name: "file-2026".to_owned() });
        let keys = WrappingKeys::parse(KEYS).expect("keys");
        let missing = keys.unwrap_key(person(), WRAPPED, "file-2025").expect_err("another name").to_string();
        assert!(missing.contains("file-2025") && missing.contains("they hold file-2026"), "{missing}");
        let shown = format!("{keys:?} {:?}", key());
        assert!(!shown.contains("AQEB") && !shown.contains('['), "no key is shown: {shown}");
    }
}
