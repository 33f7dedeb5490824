//! Accounts: who an address belongs to. A service implements [`Accounts`] over its database.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::io;
use std::path::Path;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Language;
use crate::message::Email;

/// The service's own name of an account, for example a primary key. Debug does not show it: it may be an address.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct AccountId(String);

impl AccountId {
    /// Takes any text that names one account.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountId(..)")
    }
}

/// An account that was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// The address to write to.
    ///
    /// # Security
    /// The address on record, never the one from the request: two addresses that fold alike may belong to two
    /// people (a dotless i, say), and the link must go to the account's owner.
    pub email: Email,
    /// The language the account prefers, instead of the request's.
    pub language: Option<Language>,
}

impl Account {
    /// An account and its address on record; its mails are in the request's language.
    #[must_use]
    pub const fn new(id: AccountId, email: Email) -> Self {
        Self { id, email, language: None }
    }

    /// Sets the language that the account prefers.
    #[must_use]
    pub const fn with_language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }
}

/// The look-up itself failed. Carries no reason: it could hold the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the accounts could not be looked up")]
pub struct AccountsError;

/// Finds accounts by address. Called after the answer, so its time shows nowhere.
///
/// # Examples
/// A whole service is `examples/forgot_password.rs`.
pub trait Accounts: Send + Sync + 'static {
    /// Finds the account of an address, compared in [folded](Email::folded) form.
    ///
    /// # Errors
    /// [`AccountsError`] if the look-up itself failed; that there is no such account is `None`.
    fn find(&self, email: &Email) -> impl Future<Output = Result<Option<Account>, AccountsError>> + Send;
}

/// Why a list of addresses is refused. Names the line, never its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsersError {
    /// The file could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is not an e-mail address.
    #[error("line {line} is not an e-mail address")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// Two lines fold to the same address.
    #[error("line {line} repeats an earlier address")]
    Repeated {
        /// Number of the second, from 1.
        line: usize,
    },
}

/// Known addresses from a list, one a line: accounts for trying things out. Empty lines are skipped.
///
/// # Examples
/// ```
/// use sc_std::message::Email;
/// use sc_std::reset::KnownAddresses;
///
/// let known = KnownAddresses::parse("user@example.com\nother@example.com\n")?;
/// assert!(known.contains(&Email::parse("USER@example.com").map_err(|_| "not an address")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KnownAddresses(HashMap<String, Email>);

impl KnownAddresses {
    /// Reads the text of a list.
    ///
    /// # Errors
    /// [`UsersError::Line`] or [`UsersError::Repeated`] for the first bad line.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut known = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let (address, line) = (line.trim(), index.saturating_add(1));
            if address.is_empty() {
                continue;
            }
            let email = Email::parse(address).map_err(|_| UsersError::Line { line })?;
            if known.insert(email.folded().to_string(), email).is_some() {
                return Err(UsersError::Repeated { line });
            }
        }
        Ok(Self(known))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`UsersError::Io`] if it cannot be read or is not UTF-8, else as [`KnownAddresses::parse`].
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Whether an address is known.
    #[must_use]
    pub fn contains(&self, email: &Email) -> bool {
        self.0.contains_key(email.folded().as_str())
    }

    /// Number of addresses.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Accounts for KnownAddresses {
    fn find(&self, email: &Email) -> impl Future<Output = Result<Option<Account>, AccountsError>> + Send {
        let folded = email.folded();
        let account = self.0.get(folded.as_str()).map(|email| Account {
            id: AccountId::new(folded.as_str()),
            email: email.clone(),
            language: None,
        });
        ready(Ok(account))
    }
}

impl std::fmt::Debug for KnownAddresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KnownAddresses").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[tokio::test]
    async fn an_account_is_found_by_folded_address_and_written_to_at_its_own() {
        let known = KnownAddresses::parse("\n User@Example.com \r\n\nsecond@example.com").unwrap();
        assert_eq!(known.len(), 2);
        let found = known.find(&email("uSER@eXAMPLE.com")).await.unwrap().unwrap();
        assert_eq!(found.email.as_str(), "User@Example.com", "not the spelling of the request");
        assert_eq!(found.id, AccountId::new("user@example.com"));
        assert!(known.find(&email("third@example.com")).await.unwrap().is_none());
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_only() {
        let error = KnownAddresses::parse("a@b\n\nsecret\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3 is not an e-mail address");
        let error = KnownAddresses::parse("a@b\nA@B\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2 repeats an earlier address");
    }

    #[test]
    fn a_list_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, "a@b\n").unwrap();
        assert!(KnownAddresses::read(&path).unwrap().contains(&email("a@b")));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(KnownAddresses::read(&path), Err(UsersError::Io(_))));
        assert!(KnownAddresses::parse("").unwrap().is_empty());
    }

    #[test]
    fn no_address_shows_in_debug_output() {
        let known = KnownAddresses::parse("user@example.com").unwrap();
        let id = AccountId::new("user@example.com");
        assert_eq!(format!("{known:?} {id:?}"), "KnownAddresses(1) AccountId(..)");
    }
}
