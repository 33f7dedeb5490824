//! How a command fails: the exit code, and one line on standard error.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: the peer answered with an error, or an envelope does not open.
    Refused(String),
    /// 2: wrong usage or a bad input.
    Usage(String),
    /// 3: the peer cannot be reached or understood.
    Peer(String),
    /// Nobody reads standard output any more; not our failure.
    NobodyReads,
}

impl Failure {
    /// Says why, on standard error.
    pub(crate) fn report(self) -> ExitCode {
        let (code, why) = match self {
            Self::Refused(why) => (1, why),
            Self::Usage(why) => (2, why),
            Self::Peer(why) => (3, why),
            Self::NobodyReads => return ExitCode::SUCCESS,
        };
        let style = anstyle::AnsiColor::Red.on_default().bold();
        anstream::eprintln!("{style}error:{style:#} {why}");
        ExitCode::from(code)
    }

    /// Judges an error of writing to standard output.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Usage(format!("cannot write: {error}")),
        }
    }
}

/// An error with all its causes, each told once.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = error.source();
    }
    told
}
