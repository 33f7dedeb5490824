//! Session keys in the clear, for a key log (feature `danger-key-log`, builds with debug assertions only).
//!
//! # Security
//! Whoever has these keys reads and forges every message of the session. That is why no build without debug
//! assertions, so no release build, can have this feature: it does not compile.

use core::fmt;

use crate::associated::Context;
use crate::envelope::Profile;
use crate::limits::KEY_LEN;
use crate::secret::SessionKeys;

#[cfg(not(debug_assertions))]
compile_error!(
    "the feature `danger-key-log` writes session keys in the clear: builds without debug assertions, so release \
     builds, cannot have it"
);

/// What a key log tells of one session.
pub struct KeysForLog<'s> {
    profile: Profile,
    context: &'s Context,
    keys: &'s SessionKeys,
}

impl<'s> KeysForLog<'s> {
    pub(crate) const fn new(profile: Profile, context: &'s Context, keys: &'s SessionKeys) -> Self {
        Self { profile, context, keys }
    }

    /// The session's profile.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// `ctx` of PROTOCOL 8.
    #[must_use]
    pub const fn context(&self) -> &'s Context {
        self.context
    }

    /// The request key, in the clear.
    #[must_use]
    pub const fn request(&self) -> &'s [u8; KEY_LEN] {
        self.keys.request().bytes()
    }

    /// The response key, in the clear.
    #[must_use]
    pub const fn response(&self) -> &'s [u8; KEY_LEN] {
        self.keys.response().bytes()
    }
}

impl fmt::Debug for KeysForLog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeysForLog(..)")
    }
}
