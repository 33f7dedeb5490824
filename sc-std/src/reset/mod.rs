//! Password reset behind the answer: tokens, accounts, mails, and the worker that brings them together.
//!
//! ```text
//! request ─▶ enqueue ─▶ answer                    the same for known and unknown addresses
//!               │
//!               ▼ later, off the request's path
//!            look up ─▶ limit per account ─▶ token ─▶ mail
//! ```
//!
//! Nothing here logs or shows an address, a token or a link (PROTOCOL 6).
//!
//! # Examples
//! `examples/forgot_password.rs` is a whole service: accounts and mails of its own, and the message that uses a link's token.

mod accounts;
mod job;
mod mail;
#[cfg(feature = "mail")]
mod outbox;
mod queue;
#[cfg(feature = "smtp")]
mod smtp;
#[cfg(feature = "smtp")]
mod smtp_url;
mod token;
mod words;
mod worker;

pub use crate::language::Language;

pub use self::accounts::{Account, AccountId, Accounts, AccountsError, KnownAddresses, UsersError};
pub use self::job::{EnqueueError, ResetConfig, ResetJob, ResetStats};
pub use self::mail::{LinkError, Mail, MailError, Mailer, ResetLink, reset_mail};
#[cfg(feature = "mail")]
pub use self::outbox::Outbox;
pub use self::queue::{Place, ResetQueue};
#[cfg(feature = "smtp")]
pub use self::smtp::Smtp;
#[cfg(feature = "smtp")]
pub use self::smtp_url::SmtpUrlError;
pub use self::token::{ResetToken, ResetTokens, TokenError, TokenStore, TokensFull};
pub use self::worker::ResetWorker;
