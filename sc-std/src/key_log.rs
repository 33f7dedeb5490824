//! The key log: the keys of sessions in a file, for people who debug. Its form, reading it and, where the build may, writing it.
//!
//! ```text
//! # one line a session
//! SCV2 SESSION-ID PROFILE CTX REQUEST-KEY RESPONSE-KEY
//! ```
//!
//! `PROFILE` is `plain` or `bound`; `CTX` (PROTOCOL 8) and the keys are 32 bytes each, in hexadecimal. Empty lines and lines
//! that begin with `#` are passed over. `scv2 inspect --key-log FILE` opens recorded envelopes with it.
//!
//! # Security
//! Whoever reads the file reads, and can forge, every message of the sessions in it. Reading is for tools (feature `cli`);
//! writing is the feature `danger-key-log`, which builds without debug assertions, so release builds, cannot have.

use sc_core::envelope::Profile;
use sc_core::id::SessionId;
use sc_core::limits::KEY_LEN;
use sc_core::recorded::RecordedSession;
use sc_core::secret::{RequestKey, ResponseKey};
use zeroize::Zeroizing;

#[cfg(feature = "danger-key-log")]
mod write;
#[cfg(feature = "danger-key-log")]
pub use write::{KeyLog, OpenKeyLogError};

/// First word of a line.
const LABEL: &str = "SCV2";
/// Longest key log that is read, in bytes: some 60,000 sessions.
pub const MAX_KEY_LOG_LEN: usize = 16 * 1024 * 1024;

/// A line that is not of a key log. Names the line, never what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of a key log")]
pub struct KeyLogError {
    line: usize,
}

impl KeyLogError {
    /// Which line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }
}

/// Reads a key log.
///
/// # Errors
/// [`KeyLogError`] at the first line that is neither empty, nor a comment, nor a session.
pub fn read(log: &[u8]) -> Result<Vec<RecordedSession>, KeyLogError> {
    let lines = log.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    told.map(|(at, line)| read_line(line).ok_or(KeyLogError { line: at.saturating_add(1) })).collect()
}

fn read_line(line: &[u8]) -> Option<RecordedSession> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    if words.next()? != LABEL {
        return None;
    }
    let id = SessionId::parse(words.next()?).ok()?;
    let profile = match words.next()? {
        "plain" => Profile::Plain,
        "bound" => Profile::Bound,
        _ => return None,
    };
    let context = unhex(words.next()?)?;
    let request = RequestKey::from_bytes(*unhex(words.next()?)?);
    let response = ResponseKey::from_bytes(*unhex(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    RecordedSession::new(id, profile, *context, request, response).ok()
}

/// 32 bytes in hexadecimal of either case.
fn unhex(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    let len = base16ct::mixed::decode(text, bytes.as_mut_slice()).ok()?.len();
    (len == KEY_LEN).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn line(profile: &str) -> String {
        let [context, request, response] = ["c1", "0A", "0b"].map(|byte| byte.repeat(32));
        format!("SCV2 {SESSION} {profile} {context} {request} {response}")
    }

    #[test]
    fn sessions_are_read_between_comments() {
        let (plain, bound) = (line("plain"), line("bound"));
        let log = format!("# a comment\r\n\n  {plain} \r\n{bound}");
        let sessions = read(log.as_bytes()).unwrap();
        let told: Vec<_> = sessions.iter().map(|one| (one.id().to_string(), one.profile())).collect();
        assert_eq!(told, [(SESSION.to_owned(), Profile::Plain), (SESSION.to_owned(), Profile::Bound)]);
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number_only() {
        let good = line("plain");
        let equal_keys = good.replace(&"0b".repeat(32), &"0A".repeat(32));
        for bad in [
            "nonsense",
            &good.replace("SCV2", "CLIENT_RANDOM"),
            &good.replace("sess_", ""),
            &good.replace("plain", "both"),
            &good.replace("0A0A", "0A0"),
            &good.replace("c1c1", "g1c1"),
            &format!("{good}0b"),
            &format!("{good} more"),
            &good[..good.len() - 2],
            &good[..good.len() - 65],
            &equal_keys,
        ] {
            let error = read(format!("{good}\n{bad}\n").as_bytes()).unwrap_err();
            assert_eq!(error.line(), 2, "{bad}");
            assert_eq!(error.to_string(), "line 2 is not of a key log");
        }
        assert!(read(b"SCV2 \xff").is_err());
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let shown = format!("{:?}", read(line("bound").as_bytes()).unwrap()).to_lowercase();
        assert!(!shown.contains("0a0a") && !shown.contains("10, 10"), "{shown}");
    }
}
