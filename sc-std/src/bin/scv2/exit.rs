//! How the program ends: the exit codes of its interface, and one line on standard error.

use std::process::ExitCode;

/// Why the program does not end with 0.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: Option<String>,
}

impl Exit {
    /// 1: the peer answered with an error, which is on standard output already.
    pub(crate) const fn peer_error() -> Self {
        Self { code: 1, message: None }
    }

    /// 1: something was refused, and here is why.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: 1, message: Some(message.into()) }
    }

    /// 2: wrong usage or a bad input file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: Some(message.into()) }
    }

    /// 3: the peer could not be reached or understood.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: 3, message: Some(message.into()) }
    }

    /// Says why, and gives the code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            anstream::eprintln!("scv2: {message}");
        }
        ExitCode::from(self.code)
    }
}
