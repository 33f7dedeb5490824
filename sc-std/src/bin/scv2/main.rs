//! `scv2`: Secure Channel v2 at the command line.
#![forbid(unsafe_code)]

mod args;
mod call;
mod exit;
mod hex;
mod hex_view;
mod input;
mod inspect;
mod json_view;
mod open;
mod seal;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    // Wrong usage ends in here, with exit code 2.
    let done = match Cli::parse().command {
        Command::ForgotPassword(options) => call::forgot_password(options),
        Command::Call(options) => call::call(options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Seal(options) => seal::run(options),
        Command::Open(options) => open::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
